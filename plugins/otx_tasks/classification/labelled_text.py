"""Any labelled text, one file a language: learnt in one, classified in each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from torch import nn

from otx.config.roles import keyed_options
from otx.errors import DataError, MissingDataError
from otx.files.example_digest import digest
from otx.printable import quote
from otx.types import Example, Problem, Score
from otx_tasks import infos
from otx_tasks.classification.classifier import Classifier
from otx_tasks.classification.labelled_files import Labelled, read_labelled
from otx_tasks.dev_split import carve
from otx_tasks.extra_training_data import further
from otx_tasks.files import by_language, existing, first_split, folder_of, in_folders, split_note
from otx_tasks.hub import HUB_SPLITS, XTREME, parquet_rows
from otx_tasks.options import ClassificationOptions

SPLITS = ("test", "dev")
"""What may be tested on: the first that has files, unless the option names one."""


class ClassificationTask(Classifier):
    """Classes are those of the English training file. Row n of every language's test file is example n.

    Where a language has English's classes row by row, its rows are taken for translations of English's and share their
    clusters; otherwise each row is a cluster of its language alone.
    """

    info = infos.CLASSIFICATION
    folders: ClassVar[tuple[str, ...]] = ("", "classification")
    train_names: ClassVar[tuple[str, ...]] = ("train-{0}.tsv",)
    """What a training file is called, the language in it."""
    numbers_of_texts: ClassVar[tuple[int, ...]] = (1, 2)
    hub_names: ClassVar[Mapping[str, str]] = {}
    """The configuration of each language in XTREME's copy on the Hub."""
    options: ClassificationOptions

    def __init__(self, options: ClassificationOptions) -> None:
        super().__init__(options)
        self._examples: dict[str, list[Example]] = {}

    @property
    def classes(self) -> Sequence[str]:
        """The training file's classes, sorted."""
        return self._classes

    def texts(self, example: Example) -> tuple[str, ...]:
        """The text, or both."""
        return tuple(example.fields["texts"])

    def fields_of(self, texts: Sequence[str]) -> dict[str, object]:
        """The texts as they are."""
        return {"texts": list(texts)}

    def carried(self, head: nn.Module) -> nn.Module | None:
        """A head whose classes are the training file's; where there are no files, the classes are the head's."""
        names = getattr(head, "labels", ())
        if self.options.data is None and self.options.train is None and names:
            self._classes = sorted(map(str, names))
        return super().carried(head)

    def languages(self) -> list[str]:
        """The languages there are test files for, the trained one first."""
        return sorted(self._there, key=lambda language: (language != self.options.source, language))

    def examples(self, language: str) -> list[Example]:
        """The rows of a language, with fields ``texts`` and ``label``.

        Raises DataError for a class that was never trained on.
        """
        if language not in self._there:
            raise DataError(
                f"{self.info.name}: no {self._split[0]} file in {language}",
                f"there are {', '.join(self.languages())}",
            )
        if language not in self._examples:
            where, rows = self._tested(language)
            for row in rows:
                if row.label not in self.classes:
                    raise DataError(
                        f"{where}:{row.line}: class {quote(row.label)} is not in the training file, "
                        f"which has {', '.join(self.classes)}",
                        "are these placeholders? use the labelled files",
                    )
            own = "" if self._is_parallel(language, rows) else f"{language}:"
            self._examples[language] = [
                Example(f"row-{n}", f"{own}row-{n}", _fields(row))
                for n, row in enumerate(rows, start=1)
            ]
        return self._examples[language]

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """What ``Classifier`` tells, and which files were tested on where they are not the test set's."""
        said = split_note(self._split[0], SPLITS, self.options.split)
        return super().notes(language, scores) + said

    def fingerprint(self, language: str) -> str:
        """A hash of texts and classes."""
        return digest(self.examples(language))

    def sentences(self, language: str) -> list[str]:
        """Every different text."""
        return sorted({text for own in self.examples(language) for text in own.fields["texts"]})

    def problems(self) -> list[Problem]:
        """None: a file is read whole or not at all."""
        return []

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """English rows; those of 5 % of the first texts are for development, the same for every seed.

        Raises DataError if an English test row is among them.
        """
        return self._training

    def training_fingerprint(self) -> str:
        """A hash of the training and development rows and of every option but the paths."""
        return digest([*self._training[0], *self._training[1]], keyed_options(self.options))

    def _is_parallel(self, language: str, rows: Sequence[Labelled]) -> bool:
        if language == "en" or "en" not in self._there:
            return True
        english = [example.fields["label"] for example in self.examples("en")]
        return [row.label for row in rows] == english

    @cached_property
    def _classes(self) -> list[str]:
        return sorted({row.label for row in self._rows})

    @cached_property
    def _rows(self) -> list[Labelled]:
        if self.options.data is None and self.options.train is None and self.hub_names:
            return self._from_hub(self.options.source, "train")
        return read_labelled(self._train_file())

    @cached_property
    def _training(self) -> tuple[list[Example], list[Example]]:
        if len(self.classes) < 2:
            raise DataError(
                f"{self.info.name}: every training row has the class {self.classes[0]}",
                "two classes are needed to tell apart",
            )
        examples = _examples(self._rows)
        source = self.options.source
        if source in self._there:
            tested = {self.texts(example) for example in self.examples(source)}
            leaked = [example.id for example in examples if self.texts(example) in tested]
            if leaked:
                raise DataError(
                    f"{len(leaked)} training rows are in the {source} {self._split[0]} set, "
                    f"the first is {leaked[0]}",
                    "train on other rows",
                )
        training, development = carve(
            examples, lambda example: example.cluster, self.options.train_limit
        )
        everything = (e for language in self._there for e in self.examples(language))
        more = further(
            self.options, lambda path: _examples(read_labelled(path)), everything, self.texts
        )
        strangers = {example.fields["label"] for example in more} - {*self.classes}
        if strangers:
            raise DataError(
                f"{', '.join(self.options.also)}: no class {min(strangers)} in the training file",
                f"classes are {', '.join(self.classes)}",
            )
        return [*training, *more], development

    @property
    def _there(self) -> Collection[str]:
        """Languages with test files, or on the Hub where no folder is given."""
        _, files = self._split
        return files or self.hub_names

    def _tested(self, language: str) -> tuple[str, list[Labelled]]:
        """Where a language's test rows come from, and they."""
        split, files = self._split
        if files:
            where, rows = str(files[language]), read_labelled(files[language])
        else:
            where = self.hub_names[language]
            rows = self._from_hub(language, HUB_SPLITS[split])
        return where, rows[: self.options.test_limit]

    def _from_hub(self, language: str, split: str) -> list[Labelled]:
        wanted = f"give the folder of {self.info.name}'s files with --data"
        rows = parquet_rows(XTREME, self.hub_names[language], split, wanted)
        return [
            Labelled(number, (row["sentence1"], row["sentence2"]), str(row["label"]))
            for number, row in enumerate(rows, start=1)
        ]

    @cached_property
    def _split(self) -> tuple[str, Mapping[str, Path]]:
        """What is tested on, and its files by language (none: from the Hub)."""
        if self.options.data is None and self.hub_names:
            return self.options.split or SPLITS[0], {}
        if self.options.data is None:
            raise MissingDataError(f"{self.info.name} needs files", "give their folder with --data")
        folder = folder_of(self.options.data)
        split, found = first_split(
            self.options.split, SPLITS, lambda split: self._in(folder, split)
        )
        if not found:
            raise MissingDataError(
                f"{folder}: no {split}-XX.tsv",
                "give the folder of these files with --data, plain or gz",
            )
        return split, found

    def _in(self, folder: Path, split: str) -> dict[str, Path]:
        pattern = re.compile(rf"{split}-([a-z]{{2,3}})\.tsv")
        return by_language((folder / name for name in self.folders), pattern)

    def _train_file(self) -> Path:
        if self.options.train is not None:
            return Path(self.options.train).expanduser()
        folder = folder_of(self.options.data or "")
        names = [name.format(self.options.source) for name in self.train_names]
        for place in self.folders:
            for name in names:
                if path := existing(folder / place / name):
                    return path
        raise MissingDataError(
            f"{folder}: no training file in {self.options.source}",
            f"give a table of texts and classes with --train, or train-{self.options.source}.tsv in --data",
        )


class PawsxTask(ClassificationTask):
    """PAWS-X (Yang et al. 2019): whether two sentences that share their words say the same; 1 = they do.

    The development sets are translations of one another: whoever trains on one of them and tests on another has seen
    the answers, which only the English set is checked for.
    """

    info = infos.PAWSX
    folders = ("pawsx", "nli/pawsx", "paws-x", "", "x-final")
    train_names = ("train-{0}.tsv", "{0}/train.tsv", "{0}/translated_train.tsv")
    numbers_of_texts = (2,)
    hub_names: ClassVar[Mapping[str, str]] = {
        code: f"PAWS-X.{code}" for code in ("de", "en", "es", "fr", "ja", "ko", "zh")
    }

    def _in(self, folder: Path, split: str) -> dict[str, Path]:
        """XTREME's names, or the original ones: a folder a language with ``test_2k.tsv``."""
        places = [folder / name for name in self.folders]
        return super()._in(folder, split) or in_folders(places, f"{split}_2k.tsv")


def _examples(rows: Sequence[Labelled]) -> list[Example]:
    return [Example(f"row-{row.line}", row.texts[0], _fields(row)) for row in rows]


def _fields(row: Labelled) -> dict[str, object]:
    return {"texts": list(row.texts), "label": row.label}
