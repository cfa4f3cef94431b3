"""XNLI's files in a folder: XTREME's layout (a file a language) or XNLI 1.0's (one file for all languages)."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from otx.errors import DataError, MissingDataError
from otx.files.reading import read_lines
from otx_tasks.classification.nli_files import NliFile, NliRow, read_nli
from otx_tasks.files import by_language, existing, folder_of

ENGLISH = "en"
TEST_FOLDERS = ("", "xnli", "nli/xnli")
TRAIN_NAMES = ("train-{0}.tsv", "multinli.train.{0}.tsv")
ENGLISH_NAMES = ("multinli_1.0_train.jsonl", "multinli_1.0_train.txt")
ENGLISH_FOLDERS = ("english-train", "nli/english-train")


def wanted_train(language: str) -> str:
    """The remedy that names the training files."""
    folder = f" or {ENGLISH_FOLDERS[0]}/" if language == ENGLISH else ""
    name = TRAIN_NAMES[0].format(language)
    return (
        f"give an NLI file in {language} (TSV or JSONL) with --train, or {name}{folder} in --data"
    )


def wanted_test(split: str) -> str:
    """The remedy that names the test files."""
    return f"give the folder of {split}-XX.tsv, xnli.{split}.tsv or xnli.{split}.jsonl with --data, plain or gz"


class XnliFolder:
    """One split of XNLI: the folder itself, or ``xnli/`` in it, holds the files."""

    def __init__(self, data: str, split: str) -> None:
        self.folder = folder_of(data)
        self.split = split
        self._read: dict[Path, NliFile] = {}

    def languages(self) -> tuple[str, ...]:
        """The languages there are files for; DataError if there are none."""
        return tuple(sorted(self._paths))

    def rows(self, language: str) -> list[NliRow]:
        """All rows of a language, in order; DataError if one of them cannot be used: a test set is used whole."""
        if language not in self._paths:
            raise DataError(
                f"{self.folder}: no XNLI {self.split} rows in {language}", wanted_test(self.split)
            )
        file = self._file(self._paths[language])
        if file.problems:
            first = file.problems[0]
            raise DataError(
                f"{first.file}:{first.line}: {first.reason} ({len(file.problems)} such rows)",
                "a test set is used whole or not at all",
            )
        return [row for row in file.rows if row.language in ("", language)]

    def names(self) -> list[tuple[str, str]] | None:
        """(pairID, promptID) of each row, if ``test-rows.tsv`` lies beside the files."""
        beside = next(iter(self._paths.values())).parent
        path = existing(beside / f"{self.split}-rows.tsv")
        if path is None:
            return None
        header, *rows = (line.split("\t") for line in read_lines(path))
        try:
            pair, prompt = header.index("pairID"), header.index("promptID")
            return [(row[pair], row[prompt]) for row in rows]
        except (IndexError, ValueError) as error:
            raise DataError(f"{path}: wanted are columns promptID and pairID") from error

    @cached_property
    def _paths(self) -> dict[str, Path]:
        pattern = re.compile(rf"{self.split}-([a-z]{{2}})\.tsv")
        for place in (self.folder / name for name in TEST_FOLDERS):
            if found := by_language([place], pattern):
                return found
            for name in (f"xnli.{self.split}.tsv", f"xnli.{self.split}.jsonl"):
                if path := existing(place / name):
                    return dict.fromkeys((row.language for row in self._file(path).rows), path)
        raise MissingDataError(
            f"{self.folder}: no XNLI {self.split} files", wanted_test(self.split)
        )

    def _file(self, path: Path) -> NliFile:
        if path not in self._read:
            self._read[path] = read_nli(path)
        return self._read[path]


def train_files(data: str, language: str) -> list[Path]:
    """Find the training files of a language in a folder.

    They are in the folder itself, in ``english-train/``, or beside the test files, where XTREME puts them.

    Raises:
        DataError: If there are none, naming those looked for.
    """
    folder, is_english = folder_of(data), language == ENGLISH
    names = [name.format(language) for name in TRAIN_NAMES]
    names += ENGLISH_NAMES if is_english else ()
    parts = ENGLISH_FOLDERS if is_english else ()
    patterns = [f"{name}/*.tsv{ending}" for name in parts for ending in ("", ".gz")]
    for place in TEST_FOLDERS:
        for name in names:
            if path := existing(folder / place / name):
                return [path]
        found = sorted(path for pattern in patterns for path in (folder / place).glob(pattern))
        if found:
            return found
    raise MissingDataError(f"{folder}: no training file in {language}", wanted_train(language))
