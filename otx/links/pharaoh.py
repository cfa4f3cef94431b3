"""Pharaoh files: one line a sentence pair, ``i-j`` for a sure link and ``ipj`` for a possible one.

``i`` is a word of the source and ``j`` one of the target, counted from ``index_base`` (0 or 1) over
the white-space tokens of pre-tokenised text; inside otx words count from 0. Lines end at a line
feed and nowhere else. Files whose name ends in ``.gz`` are gzip. Gold links with their sentences are
read in ``otx.links.gold``.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError, UsageError
from otx.files.reading import read_lines
from otx.printable import quote
from otx.types import Links

DIGITS = 9
"""Longest index: no sentence has a billion words, and Python refuses to read a number of 4,300 digits."""
_LINK = re.compile(r"([0-9]+)([-p])([0-9]+)")


@dataclass(frozen=True, slots=True)
class GoldLinks:
    """The sure links of one pair, and those that are at least possible, the sure among them."""

    sure: Links
    possible: Links

    def __post_init__(self) -> None:
        if not self.sure <= self.possible:
            raise ValueError("a sure link is not among the possible ones")


def parse_pharaoh(line: str, *, index_base: int = 0) -> GoldLinks:
    """The links of one line; an empty line has none.

    Raises DataError for anything that is not ``i-j`` or ``ipj``, and for an index below
    ``index_base``; UsageError for an index base that is neither 0 nor 1.
    """
    links = parse_indices(line, index_base=index_base)
    below = [link for link in links.possible if min(link) < 0]
    if below:
        i, j = min(below)
        raise DataError(
            f"link {i + index_base}-{j + index_base} is below the index base {index_base}",
            "does the file count from 0?",
        )
    return links


def parse_indices(line: str, *, index_base: int = 0) -> GoldLinks:
    """Read the links of one line without checking their range: an index below ``index_base`` becomes negative.

    Raises:
        DataError: If an item is not a link, or an index has more than ``DIGITS`` digits.
        UsageError: If the index base is neither 0 nor 1.
    """
    _check_base(index_base)
    sure: set[tuple[int, int]] = set()
    possible: set[tuple[int, int]] = set()
    for item in line.split():
        match = _LINK.fullmatch(item)
        if match is None:
            raise DataError(
                f"{quote(item)} is not a link", "write i-j for a sure link, ipj for a possible one"
            )
        i, kind, j = match.groups()
        if max(len(i), len(j)) > DIGITS:
            raise DataError(f"{quote(item)} has an index of more than {DIGITS} digits")
        link = int(i) - index_base, int(j) - index_base
        (sure if kind == "-" else possible).add(link)
    return GoldLinks(frozenset(sure), frozenset(sure | possible))


def format_pharaoh(links: GoldLinks, *, index_base: int = 0) -> str:
    """One line (without its end) that ``parse_pharaoh`` reads back; links are in order."""
    _check_base(index_base)
    return " ".join(
        f"{i + index_base}{'-' if (i, j) in links.sure else 'p'}{j + index_base}"
        for i, j in sorted(links.possible)
    )


def read_links(path: Path, *, index_base: int = 0) -> list[Links]:
    """The links of every line of a Pharaoh file, sure and possible alike. Raises DataError naming
    file and line.
    """
    rows = enumerate(read_lines(path), start=1)
    links = []
    for number, row in rows:
        with at_line(path, number):
            links.append(parse_pharaoh(row, index_base=index_base).possible)
    return links


@contextmanager
def at_line(path: Path, number: int) -> Iterator[None]:
    """Name file and line in a DataError that is raised within."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}:{number}: {error.message}", error.remedy) from error


def refuse_unknown_base(path: Path, links: Iterable[Links], remedy: str) -> None:
    """Refuse links none of whose indices is 0, however few: read from 0, each would link the words beside.

    Args:
        path: Their file, for the message.
        links: The links of each line, read from 0.
        remedy: How to state what the file counts from.

    Raises:
        DataError: If there are links, and no index is 0.
    """
    if min((min(link) for line in links for link in line), default=0) > 0:
        raise DataError(f"{path}: no index is 0, so the words may be counted from 1", remedy)


def write_links(path: Path, links: Iterable[Links], *, index_base: int = 0) -> None:
    """Write one line a pair, every link as a sure one."""
    rows = [format_pharaoh(GoldLinks(each, each), index_base=index_base) + "\n" for each in links]
    content = "".join(rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _check_base(index_base: int) -> None:
    if index_base not in (0, 1):
        raise UsageError(f"index base {index_base}", "words are counted from 0 or from 1")
