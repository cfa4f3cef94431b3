"""Pharaoh files: one line a sentence pair, ``i-j`` for a sure link and ``ipj`` for a possible one.

``i`` is a word of the source and ``j`` one of the target, counted from ``index_base`` (0 or 1) over
the white-space tokens of pre-tokenised text; inside otx words count from 0. Lines end at a line
feed and nowhere else. Files whose name ends in ``.gz`` are gzip.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from otx.errors import DataError, UsageError
from otx.files.reading import read_lines
from otx.types import Links

_LINK = re.compile(r"([0-9]+)([-p])([0-9]+)")
_SIDES = " ||| "


@dataclass(frozen=True, slots=True)
class GoldLinks:
    """The sure links of one pair, and those that are at least possible, the sure among them."""

    sure: Links
    possible: Links

    def __post_init__(self) -> None:
        if not self.sure <= self.possible:
            raise ValueError("a sure link is not among the possible ones")


class GoldPair(NamedTuple):
    """A sentence pair as words, and its gold links."""

    source: list[str]
    target: list[str]
    links: GoldLinks


def parse_pharaoh(line: str, *, index_base: int = 0) -> GoldLinks:
    """The links of one line; an empty line has none.

    Raises DataError for anything that is not ``i-j`` or ``ipj``, and for an index below
    ``index_base``; UsageError for an index base that is neither 0 nor 1.
    """
    _check_base(index_base)
    sure: set[tuple[int, int]] = set()
    possible: set[tuple[int, int]] = set()
    for item in line.split():
        match = _LINK.fullmatch(item)
        if match is None:
            raise DataError(
                f"{item!r} is not a link", "write i-j for a sure link, ipj for a possible one"
            )
        i, kind, j = match.groups()
        link = int(i) - index_base, int(j) - index_base
        if min(link) < 0:
            raise DataError(
                f"link {item} is below the index base {index_base}", "does the file count from 0?"
            )
        (sure if kind == "-" else possible).add(link)
    return GoldLinks(frozenset(sure), frozenset(sure | possible))


def format_pharaoh(links: GoldLinks, *, index_base: int = 0) -> str:
    """One line (without its end) that ``parse_pharaoh`` reads back; links are in order."""
    _check_base(index_base)
    return " ".join(
        f"{i + index_base}{'-' if (i, j) in links.sure else 'p'}{j + index_base}"
        for i, j in sorted(links.possible)
    )


def read_gold(gold: Path, sentences: Path | None = None, index_base: int = 0) -> list[GoldPair]:
    """The pairs of ``sentences`` (``source ||| target``) with their gold links.

    Without ``sentences`` it is the file beside ``name.gold`` that is called ``name.src-tgt``,
    either of them gzip or plain. Raises DataError, naming file and line, for a missing file, an
    unreadable line, a link to a word that is not there, and files of unequal length.
    """
    sentences = sentences_of(gold) if sentences is None else sentences
    rows, texts = read_lines(gold), read_lines(sentences)
    if len(texts) != len(rows):
        raise DataError(f"{sentences} has {len(texts)} lines but {gold} has {len(rows)}")
    pairs = []
    for number, (text, row) in enumerate(zip(texts, rows, strict=True), start=1):
        sides = text.split(_SIDES)
        if len(sides) != 2:
            raise DataError(
                f"{sentences}:{number}: {len(sides)} texts instead of 2",
                f"write source and target with {_SIDES!r} between them",
            )
        source, target = sides[0].split(), sides[1].split()
        links = _parsed(gold, number, row, index_base)
        for i, j in sorted(links.possible):
            if i >= len(source) or j >= len(target):
                raise DataError(
                    f"{gold}:{number}: link {i + index_base}-{j + index_base} is out of range, "
                    f"the sentences have {len(source)} and {len(target)} words",
                    f"mend the line, or check the index base (now {index_base})",
                )
        pairs.append(GoldPair(source, target, links))
    return pairs


def read_links(path: Path, *, index_base: int = 0) -> list[Links]:
    """The links of every line of a Pharaoh file, sure and possible alike. Raises DataError naming
    file and line.
    """
    return [
        _parsed(path, number, row, index_base).possible
        for number, row in enumerate(read_lines(path), start=1)
    ]


def write_links(path: Path, links: Iterable[Links], *, index_base: int = 0) -> None:
    """Write one line a pair, every link as a sure one."""
    rows = [format_pharaoh(GoldLinks(each, each), index_base=index_base) + "\n" for each in links]
    content = "".join(rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def sentences_of(gold: Path) -> Path:
    """The file of sentences that belongs to a file of gold links."""
    stem = gold.name.removesuffix(".gz").removesuffix(".gold")
    plain, packed = gold.with_name(f"{stem}.src-tgt"), gold.with_name(f"{stem}.src-tgt.gz")
    return packed if packed.exists() and not plain.exists() else plain


def _parsed(path: Path, number: int, row: str, index_base: int) -> GoldLinks:
    try:
        return parse_pharaoh(row, index_base=index_base)
    except DataError as error:
        raise DataError(f"{path}:{number}: {error.message}", error.remedy) from error


def _check_base(index_base: int) -> None:
    if index_base not in (0, 1):
        raise UsageError(f"index base {index_base}", "words are counted from 0 or from 1")
