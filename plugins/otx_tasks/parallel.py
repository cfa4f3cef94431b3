"""Finding line-aligned sentence files in a folder by the names that data sets give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError
from otx.types import Example
from otx_tasks.files import existing, plain_name, read_lines
from otx_tasks.languages import two_letters

PIVOT = "en"
NAMES = "name.XXX-eng.{XXX,eng}, name.en-XX.{en,XX}, newstest2019-{src.eng,ref.XXX}.txt or name.{en,XX}.txt"
_TWO_WAY = re.compile(
    r"^(?P<head>(?:.*\.)?(?P<a>[A-Za-z]{2,3})-(?P<b>[A-Za-z]{2,3})\.)(?P<side>(?P=a)|(?P=b))$"
)
_NTREX = re.compile(r"^(?P<head>.+)-ref\.(?P<code>[A-Za-z]{2,3}(?:-\w+)?)\.txt$")
_MANY_WAY = re.compile(r"^(?P<head>.+)\.(?P<code>[A-Za-z]{2,3})\.txt$")


@dataclass(frozen=True, slots=True)
class ParallelFiles:
    """Two line-aligned files; ``many_way`` if the same pivot lines are translated into other languages too."""

    language: str
    source: Path
    pivot: Path
    many_way: bool


def find_parallel(folder: Path, pattern: str = "*") -> dict[str, ParallelFiles]:
    """The pairs of files of every language in the folder, by two-letter code where there is one.

    Of the files, those whose names match the glob ``pattern``. Raises DataError if there are none, or two for one
    language.
    """
    found: dict[str, ParallelFiles] = {}
    for path in sorted(folder.glob(pattern)):
        pair = _pair(path)
        if pair is None:
            continue
        other = found.setdefault(pair.language, pair)
        if plain_name(other.source) != plain_name(pair.source):
            raise DataError(
                f"{folder}: two sets for {pair.language}: {other.source.name} and {pair.source.name}",
                "put each set into a folder of its own",
            )
    if not found:
        raise DataError(f"{folder}: no line-aligned files", f"name them {NAMES}, plain or gz")
    return found


def _pair(path: Path) -> ParallelFiles | None:
    name = plain_name(path)
    if match := _TWO_WAY.match(name):
        codes = {two_letters(match[key]): match[key] for key in ("a", "b")}
        side = two_letters(match["side"])
        if PIVOT not in codes or side == PIVOT:
            return None
        return _checked(path, side, path.with_name(match["head"] + codes[PIVOT]), many_way=False)
    if match := _NTREX.match(name):
        pivot = path.with_name(f"{match['head']}-src.eng.txt")
        return _checked(path, two_letters(match["code"]), pivot, many_way=True)
    if match := _MANY_WAY.match(name):
        language = two_letters(match["code"])
        pivot = path.with_name(f"{match['head']}.en.txt")
        if language != PIVOT and existing(pivot) is not None:
            return _checked(path, language, pivot, many_way=True)
    return None


def _checked(source: Path, language: str, pivot: Path, *, many_way: bool) -> ParallelFiles:
    there = existing(pivot)
    if there is None:
        raise DataError(
            f"{source}: its English side is missing", f"add {pivot.name} (or .gz) beside it"
        )
    return ParallelFiles(language, source, there, many_way)


def read_parallel(files: ParallelFiles) -> list[Example]:
    """One example a line, with fields ``source`` and ``pivot``; many-way lines share ids and clusters.

    Raises DataError for unequal line counts and for empty lines.
    """
    source, pivot = read_lines(files.source), read_lines(files.pivot)
    if len(source) != len(pivot):
        raise DataError(
            f"{files.source} has {len(source)} lines and {files.pivot} has {len(pivot)}",
            "line i of one must be the translation of line i of the other",
        )
    for path, lines in ((files.source, source), (files.pivot, pivot)):
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                raise DataError(f"{path}:{number}: empty line", "remove the pair from both files")
    if not source:
        raise DataError(f"{files.source}: no lines")
    prefix = "" if files.many_way else f"{files.language}:"
    return [
        Example(f"{prefix}{number}", f"{prefix}{number}", {"source": s, "pivot": p})
        for number, (s, p) in enumerate(zip(source, pivot, strict=True), start=1)
    ]
