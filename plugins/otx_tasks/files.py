"""Finding the files of a task in a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from otx.errors import DataError
from otx.files.reading import find_plain_or_gz
from otx.printable import shorten
from otx.types import Example

existing = find_plain_or_gz

_CODE = re.compile("[a-z]{2,3}")


def plain_name(path: Path) -> str:
    """The file's name without ``.gz``."""
    return path.name.removesuffix(".gz")


def first_split(
    wanted: str | None, splits: Sequence[str], files: Callable[[str], Mapping[str, Path]]
) -> tuple[str, Mapping[str, Path]]:
    """The split that is tested on and its files: the one wanted, else the first that has any."""
    for split in splits if wanted is None else (wanted,):
        if found := files(split):
            return split, found
    return wanted or splits[0], {}


def split_note(split: str, splits: Sequence[str], wanted: str | None) -> list[str]:
    """What is to be said where ``first_split`` had to take another than the first, unasked."""
    if split in (splits[0], wanted):
        return []
    return [f"tested on the {split} files: there are no {splits[0]} files"]


def by_language(places: Iterable[Path], pattern: re.Pattern[str]) -> dict[str, Path]:
    """Of the first place that has any, the files whose names match, by the group that names the language."""
    for place in places:
        files = sorted(place.iterdir(), reverse=True) if place.is_dir() else []
        matches = ((pattern.fullmatch(plain_name(path)), path) for path in files)
        found = {next(filter(None, match.groups())): path for match, path in matches if match}
        if found:
            return found
    return {}


def in_folders(places: Iterable[Path], name: str) -> dict[str, Path]:
    """Of the first place that has any, the files of this name in folders that are called as a language is."""
    for place in places:
        folders = sorted(place.iterdir()) if place.is_dir() else []
        there = {own.name: existing(own / name) for own in folders if _CODE.fullmatch(own.name)}
        found = {code: path for code, path in there.items() if path is not None}
        if found:
            return found
    return {}


def folder_of(data: str) -> Path:
    """The folder that ``--data`` names; DataError if it is not there."""
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "give an existing folder with --data")
    return folder


def refuse_duplicates(examples: Iterable[Example], where: str) -> None:
    """Raise DataError if two examples share an id."""
    twice = [name for name, count in Counter(e.id for e in examples).items() if count > 1]
    if twice:
        raise DataError(
            f"{where}: {len(twice)} duplicate ids, the first is {shorten(str(twice[0]))}",
            "make the ids unique",
        )
