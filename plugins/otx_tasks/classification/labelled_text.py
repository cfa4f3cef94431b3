"""Classification of any labelled text, one file per language: learnt in one, predicted in each."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from torch import nn

from otx.errors import DataError, MissingDataError
from otx.files.reading import find_plain_or_gz
from otx.printable import quote
from otx.types import Example
from otx_tasks.classification import CLASSIFICATION, PAWSX
from otx_tasks.classification.classifier import Classifier
from otx_tasks.classification.labelled_files import Labelled, read_labelled
from otx_tasks.classification.options import ClassificationOptions
from otx_tasks.files import by_language, folder_of, in_folders
from otx_tasks.hub import HUB_SPLITS, XTREME, parquet_rows


class ClassificationTask(Classifier):
    """Classification with the classes of the training file. Row n of every test file is example n.

    If a language has the classes of English row by row, its rows are taken for translations of English rows and share
    their clusters; otherwise each row is a cluster of its language alone.

    Args:
        options: Options of the task.

    Attributes:
        folders: Sub-folders that are searched for the files.
        train_names: Possible names of the training file, with ``{0}`` for the language.
        hub_names: Configuration of each language in XTREME's copy on the Hub; empty if it has none.
    """

    info = CLASSIFICATION
    options: ClassificationOptions
    leak_remedy = "train on other rows"
    folders: ClassVar[tuple[str, ...]] = ("", "classification")
    train_names: ClassVar[tuple[str, ...]] = ("train-{0}.tsv",)
    numbers_of_texts: ClassVar[tuple[int, ...]] = (1, 2)
    hub_names: ClassVar[Mapping[str, str]] = {}

    def __init__(self, options: ClassificationOptions) -> None:
        super().__init__(options)
        self._head_classes: list[str] | None = None

    @property
    def classes(self) -> Sequence[str]:
        """The training file's classes, or those of the head to predict with; sorted."""
        return self._file_classes if self._head_classes is None else self._head_classes

    def texts(self, example: Example) -> tuple[str, ...]:
        """Return the text, or both."""
        return tuple(example.fields["texts"])

    def fields_of(self, texts: Sequence[str]) -> dict[str, object]:
        """Return the texts unchanged."""
        return {"texts": list(texts)}

    def for_prediction(self, head: nn.Module) -> Self:
        """Return the task with the head's classes, if it has no training file."""
        names = getattr(head, "labels", ())
        if self.options.data is not None or self.options.train is not None or not names:
            return self
        task = copy.copy(self)
        task._head_classes = sorted(map(str, names))
        return task

    def hub_languages(self) -> Collection[str]:
        """Return the languages of XTREME's copy."""
        return self.hub_names or super().hub_languages()

    def find_test_files(self, folder: Path, split: str) -> Mapping[str, Path]:
        """Find ``test-XX.tsv`` in the folder or in one of ``folders``."""
        pattern = re.compile(rf"{split}-([a-z]{{2,3}})\.tsv")
        return by_language((folder / name for name in self.folders), pattern)

    def missing_files(self, folder: Path, split: str) -> MissingDataError:
        """Return the error for a folder without test files."""
        return MissingDataError(
            f"{folder}: no {split}-XX.tsv",
            "give the folder of these files with --data, plain or gz",
        )

    def read_test(self, language: str) -> list[Example]:
        """Read the rows of a language, with fields ``texts`` and ``label``.

        Raises:
            DataError: For a class that is not in the training file.
        """
        where, rows = self._test_rows(language)
        for row in rows:
            if row.label not in self.classes:
                raise DataError(
                    f"{where}:{row.line}: class {quote(row.label)} is not in the training file, "
                    f"which has {', '.join(self.classes)}",
                    "are these placeholders? use the labelled files",
                )
        prefix = "" if self._is_parallel(language, rows) else f"{language}:"
        return [
            Example(f"row-{n}", f"{prefix}row-{n}", _fields(row))
            for n, row in enumerate(rows, start=1)
        ]

    def read_training(self) -> list[Example]:
        """Read the training rows; a group is a first text."""
        return _examples(self._training_rows)

    def read_extra(self, path: Path) -> list[Example]:
        """Read a file of the option ``also``."""
        return _examples(read_labelled(path))

    def check_training(self, examples: Sequence[Example]) -> None:
        """Raise DataError if all rows have one class."""
        if len(self.classes) < 2:
            raise DataError(
                f"{self.info.name}: every training row has the class {self.classes[0]}",
                "give a training file with two classes or more",
            )

    def check_extra(self, examples: Sequence[Example]) -> None:
        """Raise DataError for a class that the training file does not have."""
        unknown = {example.fields["label"] for example in examples} - {*self.classes}
        if unknown:
            raise DataError(
                f"{', '.join(self.options.also)}: no class {min(unknown)} in the training file",
                f"classes are {', '.join(self.classes)}",
            )

    def sentences(self, language: str) -> list[str]:
        """Return every distinct text."""
        return sorted({text for one in self.examples(language) for text in one.fields["texts"]})

    def _is_parallel(self, language: str, rows: Sequence[Labelled]) -> bool:
        if language == "en" or "en" not in self.test_languages():
            return True
        english = [example.fields["label"] for example in self.examples("en")]
        return [row.label for row in rows] == english

    @cached_property
    def _file_classes(self) -> list[str]:
        return sorted({row.label for row in self._training_rows})

    @cached_property
    def _training_rows(self) -> list[Labelled]:
        if self.options.data is None and self.options.train is None and self.hub_names:
            return self._from_hub(self.options.source, "train")
        return read_labelled(self._train_file())

    def _test_rows(self, language: str) -> tuple[str, list[Labelled]]:
        """Return the source of a language's test rows, for messages, and the rows."""
        files = self.test_split.files
        if files:
            where, rows = str(files[language]), read_labelled(files[language])
        else:
            where = self.hub_names[language]
            rows = self._from_hub(language, HUB_SPLITS[self.split_name])
        return where, rows[: self.options.test_limit]

    def _from_hub(self, language: str, split: str) -> list[Labelled]:
        remedy = f"give the folder of {self.info.name}'s files with --data"
        rows = parquet_rows(XTREME, self.hub_names[language], split, remedy)
        return [
            Labelled(number, (row["sentence1"], row["sentence2"]), str(row["label"]))
            for number, row in enumerate(rows, start=1)
        ]

    def _train_file(self) -> Path:
        if self.options.train is not None:
            return Path(self.options.train).expanduser()
        folder = folder_of(self.options.data or "")
        names = [name.format(self.options.source) for name in self.train_names]
        for place in self.folders:
            for name in names:
                if path := find_plain_or_gz(folder / place / name):
                    return path
        raise MissingDataError(
            f"{folder}: no training file in {self.options.source}",
            f"give a table of texts and classes with --train, or train-{self.options.source}.tsv in --data",
        )


class PawsxTask(ClassificationTask):
    """PAWS-X: is a sentence a paraphrase of another one that shares its words? 1 means yes.

    The development sets are translations of one another: training on one and testing on another reveals the answers,
    which is checked for the source language only.

    Args:
        options: Options of the task.

    References:
        Yang et al. (2019), "PAWS-X". https://arxiv.org/abs/1908.11828
    """

    info = PAWSX
    folders = ("pawsx", "nli/pawsx", "paws-x", "", "x-final")
    train_names = ("train-{0}.tsv", "{0}/train.tsv", "{0}/translated_train.tsv")
    numbers_of_texts = (2,)
    hub_names: ClassVar[Mapping[str, str]] = {
        code: f"PAWS-X.{code}" for code in ("de", "en", "es", "fr", "ja", "ko", "zh")
    }

    def find_test_files(self, folder: Path, split: str) -> Mapping[str, Path]:
        """Find XTREME's names, or the original ``XX/test_2k.tsv``."""
        places = [folder / name for name in self.folders]
        return super().find_test_files(folder, split) or in_folders(places, f"{split}_2k.tsv")


def _examples(rows: Sequence[Labelled]) -> list[Example]:
    return [Example(f"row-{row.line}", row.texts[0], _fields(row)) for row in rows]


def _fields(row: Labelled) -> dict[str, object]:
    return {"texts": list(row.texts), "label": row.label}
