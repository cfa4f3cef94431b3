"""Pharaoh files: one line per sentence pair, ``i-j`` for a sure link and ``ipj`` for a possible one.

``i`` is a word of the source and ``j`` one of the target, counted from ``index_base`` (0 or 1) over the white-space
tokens of pre-tokenised text; inside otx, words count from 0. A line ends only at a line feed. Files whose name ends in
``.gz`` are gzip. ``otx.links.gold`` reads gold links with their sentences.
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
"""Maximum digits of an index: no sentence has a billion words, and Python refuses to read numbers of 4,300 digits."""
_LINK = re.compile(r"([0-9]+)([-p])([0-9]+)")


@dataclass(frozen=True, slots=True)
class GoldLinks:
    """The gold links of one pair.

    Attributes:
        sure: The sure links.
        possible: The links that are at least possible, including the sure ones.

    Raises:
        ValueError: If a sure link is not possible.
    """

    sure: Links
    possible: Links

    def __post_init__(self) -> None:
        if not self.sure <= self.possible:
            raise ValueError("a sure link is not among the possible ones")


def parse_pharaoh(line: str, *, index_base: int = 0) -> GoldLinks:
    """Read the links of one line.

    Args:
        line: The line; an empty one has no links.
        index_base: Number of the first word, 0 or 1.

    Returns:
        The links, words counted from 0.

    Raises:
        DataError: If an item is neither ``i-j`` nor ``ipj``, or an index is below ``index_base``.
        UsageError: If the index base is neither 0 nor 1.

    Example:
        >>> links = parse_pharaoh("0-0 1p2")
        >>> sorted(links.sure), sorted(links.possible)
        ([(0, 0)], [(0, 0), (1, 2)])
    """
    links = parse_indices(line, index_base=index_base)
    below = [link for link in links.possible if min(link) < 0]
    if below:
        i, j = min(below)
        raise DataError(
            f"link {i + index_base}-{j + index_base} is below the index base {index_base}",
            "check whether the file counts from 0",
        )
    return links


def parse_indices(line: str, *, index_base: int = 0) -> GoldLinks:
    """Read the links of one line without checking their range.

    An index below ``index_base`` becomes negative.

    Args:
        line: The line; an empty one has no links.
        index_base: Number of the first word, 0 or 1.

    Returns:
        The links, words counted from 0.

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
    """Write links as one line, without its end, that ``parse_pharaoh`` reads back.

    Args:
        links: The links, words counted from 0.
        index_base: Number of the first word in the line, 0 or 1.

    Returns:
        The line, with its links in order.

    Raises:
        UsageError: If the index base is neither 0 nor 1.

    Example:
        >>> format_pharaoh(GoldLinks(frozenset({(0, 0)}), frozenset({(0, 0), (1, 2)})))
        '0-0 1p2'
    """
    _check_base(index_base)
    return " ".join(
        f"{i + index_base}{'-' if (i, j) in links.sure else 'p'}{j + index_base}"
        for i, j in sorted(links.possible)
    )


def read_links(path: Path, *, index_base: int = 0) -> list[Links]:
    """Read the links of every line of a Pharaoh file, sure and possible alike.

    Args:
        path: The file, plain or gz.
        index_base: Number of the first word, 0 or 1.

    Returns:
        The links of each line, words counted from 0.

    Raises:
        DataError: If a line cannot be read, naming file and line.
    """
    rows = enumerate(read_lines(path), start=1)
    links = []
    for number, row in rows:
        with at_line(path, number):
            links.append(parse_pharaoh(row, index_base=index_base).possible)
    return links


@contextmanager
def at_line(path: Path, number: int) -> Iterator[None]:
    """Add file and line to a DataError that is raised in the block.

    Args:
        path: The file.
        number: The line, counted from 1.

    Raises:
        DataError: The error of the block, with its place.
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}:{number}: {error.message}", error.remedy) from error


def refuse_unknown_base(path: Path, links: Iterable[Links], remedy: str) -> None:
    """Refuse links without any index 0, however few they are.

    If the file counts from 1, each of them would link the wrong words when read from 0.

    Args:
        path: The file, for the message.
        links: The links of each line, read from 0.
        remedy: How to state the number of the first word.

    Raises:
        DataError: If there are links, and no index is 0.
    """
    if min((min(link) for line in links for link in line), default=0) > 0:
        raise DataError(f"{path}: no index is 0, so the words may be counted from 1", remedy)


def write_links(path: Path, links: Iterable[Links], *, index_base: int = 0) -> None:
    """Write a Pharaoh file with one line per pair, every link as a sure one.

    Args:
        path: The file; it is compressed if its name ends in ``.gz``.
        links: The links of each pair, words counted from 0.
        index_base: Number of the first word in the file, 0 or 1.
    """
    rows = [format_pharaoh(GoldLinks(each, each), index_base=index_base) + "\n" for each in links]
    content = "".join(rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _check_base(index_base: int) -> None:
    if index_base not in (0, 1):
        raise UsageError(f"index base {index_base}", "words are counted from 0 or from 1")
