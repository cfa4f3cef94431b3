"""Find the files of a task in a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError
from otx.files.reading import find_plain_or_gz
from otx.printable import shorten
from otx.types import Example

_CODE = re.compile("[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class TestSplit:
    """The part of a data set that is tested on.

    Attributes:
        name: Name of the split, such as ``test``.
        files: Its file of each language; empty if the data is read from the Hub.
    """

    __test__ = False  # not a class of tests

    name: str
    files: Mapping[str, Path]


def plain_name(path: Path) -> str:
    """Return the file's name without ``.gz``.

    Args:
        path: The file.

    Example:
        >>> plain_name(Path("data/test-de.tsv.gz"))
        'test-de.tsv'
    """
    return path.name.removesuffix(".gz")


def first_split(
    requested: str | None, splits: Sequence[str], find: Callable[[str], Mapping[str, Path]]
) -> TestSplit:
    """Return the split to test on.

    Args:
        requested: Name of the split that the user asks for, or None.
        splits: Names of the possible splits, the default one first.
        find: Finds the files of a split by language.

    Returns:
        The requested split, else the first that has files; without any files, that split with no files.
    """
    for split in splits if requested is None else (requested,):
        if files := find(split):
            return TestSplit(split, files)
    return TestSplit(requested or splits[0], {})


def split_note(split: str, splits: Sequence[str], requested: str | None) -> list[str]:
    """Return a warning if the default split was missing and another one was used.

    Args:
        split: Name of the split that is used.
        splits: Names of the possible splits, the default one first.
        requested: Name of the split that the user asks for, or None.

    Example:
        >>> split_note("dev", ("test", "dev"), None)
        ['tested on the dev files: there are no test files']
        >>> split_note("dev", ("test", "dev"), "dev")
        []
    """
    if split in (splits[0], requested):
        return []
    return [f"tested on the {split} files: there are no {splits[0]} files"]


def by_language(folders: Iterable[Path], pattern: re.Pattern[str]) -> dict[str, Path]:
    """Find the files of each language by name in the first folder that has any.

    Args:
        folders: Folders to search, in order; some may not exist.
        pattern: Matches the file's name without ``.gz``; the one group that matches is the language.

    Returns:
        Language to file; empty if no folder has any.
    """
    for folder in folders:
        files = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
        matches = ((pattern.fullmatch(plain_name(path)), path) for path in files)
        named = {next(filter(None, match.groups())): path for match, path in matches if match}
        if named:
            return named
    return {}


def in_folders(folders: Iterable[Path], name: str) -> dict[str, Path]:
    """Find a file in the sub-folders named after languages of one folder.

    Args:
        folders: Folders to search, in order; their sub-folders are named after languages, such as ``de``.
        name: Name of the file, without ``.gz``.

    Returns:
        Language to file; empty if no folder has any.
    """
    for folder in folders:
        inner = sorted(folder.iterdir()) if folder.is_dir() else []
        candidates = {
            path.name: find_plain_or_gz(path / name) for path in inner if _CODE.fullmatch(path.name)
        }
        files = {code: path for code, path in candidates.items() if path is not None}
        if files:
            return files
    return {}


def folder_of(data: str) -> Path:
    """Return the folder that ``--data`` names.

    Args:
        data: Path of the folder.

    Raises:
        DataError: If it does not exist.
    """
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "give an existing folder with --data")
    return folder


def refuse_duplicates(examples: Iterable[Example], where: str) -> None:
    """Check that the ids of examples are unique.

    Args:
        examples: The examples.
        where: Name of their file or set, for the message.

    Raises:
        DataError: If two examples have the same id.
    """
    twice = [name for name, count in Counter(e.id for e in examples).items() if count > 1]
    if twice:
        raise DataError(
            f"{where}: {len(twice)} duplicate ids, the first is {shorten(str(twice[0]))}",
            "make the ids unique",
        )
