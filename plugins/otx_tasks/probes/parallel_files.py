"""Find line-aligned sentence files in a folder by the names that data sets give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from otx.data.languages import two_letters
from otx.errors import DataError, MissingDataError
from otx.files.reading import find_plain_or_gz, read_lines
from otx.types import Example
from otx_tasks.files import folder_of, plain_name
from otx_tasks.sample_data import HELD_OUT, sample_folder

PIVOT = "en"
FOLDERS = ("tatoeba", "retrieval/tatoeba")
"""Sub-folders that are searched for the files."""
NAMES = (
    "name.XXX-eng.{XXX,eng}, name.en-XX.{en,XX}, newstest2019-{src.eng,ref.XXX}.txt or name.{en,XX}.txt, "
    "with codes such as de, deu, zh-CN, zh_CN or deu_Latn"
)
_CODE = "[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*"
# A code may contain a hyphen, as two codes are separated by; the side at the end of the name decides: en-zh-CN.en.
_TWO_WAY = re.compile(rf"^(?P<head>(?:.*\.)?(?P<a>{_CODE})-(?P<b>{_CODE})\.)(?:(?P=a)|(?P=b))$")
_NTREX = re.compile(rf"^(?P<head>.+)-ref\.(?P<code>{_CODE})\.txt$")
_MANY_WAY = re.compile(rf"^(?P<head>.+)\.(?P<code>{_CODE})\.txt$")


@dataclass(frozen=True, slots=True)
class ParallelFiles:
    """Two line-aligned files.

    Attributes:
        language: Language of the source side.
        source: File of the language.
        pivot: File of the English translations.
        many_way: True if the same pivot lines are translated into other languages, too.
    """

    language: str
    source: Path
    pivot: Path
    many_way: bool


def files_of(data: str | None) -> dict[str, ParallelFiles]:
    """Find the pairs of files that ``--data`` names.

    Args:
        data: The folder; None means the held-out part of the embedded sample.

    Returns:
        The pairs by language.

    Raises:
        DataError: If there are none, or they are not usable.
    """
    if data is None:
        return find_parallel(sample_folder(), HELD_OUT)
    folder = folder_of(data)
    inner = (folder / name for name in FOLDERS)
    return find_parallel(next((place for place in inner if place.is_dir()), folder))


def find_parallel(folder: Path, pattern: str = "*") -> dict[str, ParallelFiles]:
    """Find the pairs of files of every language in a folder.

    Args:
        folder: The folder.
        pattern: Glob that the files' names must match.

    Returns:
        The pairs by two-letter code, or by the files' code if there is no two-letter code.

    Raises:
        DataError: If there are none, two for one language, or one side of a pair without the other.
    """
    pairs: dict[str, ParallelFiles] = {}
    for path in sorted(folder.glob(pattern)):
        pair = _pair(path)
        if pair is None:
            continue
        other = pairs.setdefault(pair.language, pair)
        if plain_name(other.source) != plain_name(pair.source):
            raise DataError(
                f"{folder}: two sets for {pair.language}: {other.source.name} and {pair.source.name}",
                "put each set into a folder of its own",
            )
    if not pairs:
        raise MissingDataError(
            f"{folder}: no line-aligned files", f"name them {NAMES}, plain or gz"
        )
    return pairs


def _pair(path: Path) -> ParallelFiles | None:
    name = plain_name(path)
    if match := _TWO_WAY.match(name):
        codes = {_is_pivot(match[key]): match[key] for key in ("a", "b")}
        if len(codes) < 2:
            return None
        source, pivot = (
            _other_side(path, match["head"] + codes[english]) for english in (False, True)
        )
        return ParallelFiles(two_letters(codes[False]), source, pivot, many_way=False)
    if match := _NTREX.match(name):
        pivot = _other_side(path, f"{match['head']}-src.eng.txt")
        return ParallelFiles(two_letters(match["code"]), path, pivot, many_way=True)
    if match := _MANY_WAY.match(name):
        pivot_file = find_plain_or_gz(path.with_name(f"{match['head']}.en.txt"))
        if pivot_file is not None and not _is_pivot(match["code"]):
            return ParallelFiles(two_letters(match["code"]), path, pivot_file, many_way=True)
    return None


def _is_pivot(code: str) -> bool:
    return two_letters(code).partition("-")[0] == PIVOT


def _other_side(path: Path, name: str) -> Path:
    other = find_plain_or_gz(path.with_name(name))
    if other is None:
        raise DataError(f"{path}: its other side is missing", f"add {name} (or .gz) to its folder")
    return other


def read_parallel(files: ParallelFiles) -> list[Example]:
    """Read one example per line.

    Many-way lines share ids and clusters between languages.

    Args:
        files: The two files.

    Returns:
        Examples with fields ``source`` and ``pivot``.

    Raises:
        DataError: For unequal line counts, empty lines and files without lines.
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
