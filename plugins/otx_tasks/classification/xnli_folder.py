"""Find XNLI's files in a folder: XTREME's layout (a file per language) or XNLI 1.0's (one file for all)."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from otx.errors import DataError, MissingDataError
from otx.files.reading import find_plain_or_gz, read_lines
from otx_tasks.classification.nli_files import NliFile, NliRow, read_nli
from otx_tasks.files import by_language, folder_of

ENGLISH = "en"
TEST_FOLDERS = ("", "xnli", "nli/xnli")
TRAIN_NAMES = ("train-{0}.tsv", "multinli.train.{0}.tsv")
ENGLISH_NAMES = ("multinli_1.0_train.jsonl", "multinli_1.0_train.txt")
ENGLISH_FOLDERS = ("english-train", "nli/english-train")


def train_remedy(language: str) -> str:
    """Return the remedy that names the training files of a language.

    Args:
        language: The language.
    """
    folder = f" or {ENGLISH_FOLDERS[0]}/" if language == ENGLISH else ""
    name = TRAIN_NAMES[0].format(language)
    return (
        f"give an NLI file in {language} (TSV or JSONL) with --train, or {name}{folder} in --data"
    )


def test_remedy(split: str) -> str:
    """Return the remedy that names the test files of a split.

    Args:
        split: Name of the split.
    """
    return f"give the folder of {split}-XX.tsv, xnli.{split}.tsv or xnli.{split}.jsonl with --data, plain or gz"


class XnliFolder:
    """One split of XNLI, whose files are in the folder itself or in its ``xnli/``.

    Args:
        data: The folder.
        split: Name of the split, ``test`` or ``dev``.

    Raises:
        DataError: If there is no such folder.
    """

    def __init__(self, data: str, split: str) -> None:
        self.folder = folder_of(data)
        self.split = split
        self._read: dict[Path, NliFile] = {}

    def languages(self) -> tuple[str, ...]:
        """Return the languages that have files.

        Raises:
            MissingDataError: If there are none.
        """
        return tuple(sorted(self.files))

    def rows(self, language: str) -> list[NliRow]:
        """Return all rows of a language, in order.

        Args:
            language: The language.

        Raises:
            DataError: If the language has no rows, or a row cannot be used: a test set is used whole.
        """
        if language not in self.files:
            raise DataError(
                f"{self.folder}: no XNLI {self.split} rows in {language}", test_remedy(self.split)
            )
        file = self._file(self.files[language])
        if file.problems:
            first = file.problems[0]
            raise DataError(
                f"{first.file}:{first.line}: {first.reason} ({len(file.problems)} such rows)",
                "a test set is used whole or not at all",
            )
        return [row for row in file.rows if row.language in ("", language)]

    def names(self) -> list[tuple[str, str]] | None:
        """Return pairID and promptID of each row; None without ``test-rows.tsv``."""
        folder = next(iter(self.files.values())).parent
        path = find_plain_or_gz(folder / f"{self.split}-rows.tsv")
        if path is None:
            return None
        header, *rows = (line.split("\t") for line in read_lines(path))
        try:
            pair, prompt = header.index("pairID"), header.index("promptID")
            return [(row[pair], row[prompt]) for row in rows]
        except (IndexError, ValueError) as error:
            raise DataError(f"{path}: no columns promptID and pairID") from error

    @cached_property
    def files(self) -> dict[str, Path]:
        """File of each language, which may be the same for all languages."""
        pattern = re.compile(rf"{self.split}-([a-z]{{2}})\.tsv")
        for place in (self.folder / name for name in TEST_FOLDERS):
            if files := by_language([place], pattern):
                return files
            for name in (f"xnli.{self.split}.tsv", f"xnli.{self.split}.jsonl"):
                if path := find_plain_or_gz(place / name):
                    return dict.fromkeys((row.language for row in self._file(path).rows), path)
        raise MissingDataError(
            f"{self.folder}: no XNLI {self.split} files", test_remedy(self.split)
        )

    def _file(self, path: Path) -> NliFile:
        if path not in self._read:
            self._read[path] = read_nli(path)
        return self._read[path]


def train_files(data: str, language: str) -> list[Path]:
    """Find the training files of a language in a folder.

    They are in the folder itself, in ``english-train/``, or in the test files' folder, as in XTREME.

    Args:
        data: The folder.
        language: The language.

    Returns:
        One file or more.

    Raises:
        MissingDataError: If there are none, naming the files that were searched for.
    """
    folder, is_english = folder_of(data), language == ENGLISH
    names = [name.format(language) for name in TRAIN_NAMES]
    names += ENGLISH_NAMES if is_english else ()
    parts = ENGLISH_FOLDERS if is_english else ()
    patterns = [f"{name}/*.tsv{ending}" for name in parts for ending in ("", ".gz")]
    for place in TEST_FOLDERS:
        for name in names:
            if path := find_plain_or_gz(folder / place / name):
                return [path]
        files = sorted(path for pattern in patterns for path in (folder / place).glob(pattern))
        if files:
            return files
    raise MissingDataError(f"{folder}: no training file in {language}", train_remedy(language))
