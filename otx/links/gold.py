"""Gold word alignments: ``name.src-tgt`` (``source ||| target``) and ``name.gold`` (Pharaoh), plain or gz."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from otx.errors import DataError
from otx.files.reading import find_plain_or_gz, read_lines
from otx.links.pharaoh import GoldLinks, at_line, parse_indices, refuse_unknown_base
from otx.types import Links

SENTENCES, GOLD = ".src-tgt", ".gold"
MAX_OUTSIDE = 0.05
"""Largest share of sentences with a link to a word that does not exist. Sets as their authors distribute them have up
to 1 of 100; under a wrong index base, nearly every sentence has one."""
_SIDES = " ||| "


class GoldPair(NamedTuple):
    """A sentence pair as words, its gold links, and how many links were left out: their words do not exist."""

    source: list[str]
    target: list[str]
    links: GoldLinks
    outside: int = 0


def gold_files(path: Path) -> tuple[Path, Path]:
    """Return the files of links and of sentences of a gold set.

    Args:
        path: Either file of the pair, or what their names have in common; the sentences of a file of links with
            another ending are in the file of that name with ``.src-tgt``.

    Returns:
        The file of links and the file of sentences, packed where only that file exists.

    Example:
        >>> [file.name for file in gold_files(Path("es.src-tgt"))]
        ['es.gold', 'es.src-tgt']
    """
    plain = path.name.removesuffix(".gz")
    stem = plain.removesuffix(GOLD).removesuffix(SENTENCES)
    plain_files = [path.with_name(stem + ending) for ending in (GOLD, SENTENCES)]
    gold, sentences = (find_plain_or_gz(file) or file for file in plain_files)
    names_links = not plain.endswith(SENTENCES) and (path.exists() or not gold.exists())
    return (path if names_links else gold), sentences


def read_gold(
    gold: Path, sentences: Path | None = None, index_base: int | None = None
) -> list[GoldPair]:
    """Read a gold set: sentence pairs with their links, words counted from 0.

    Args:
        gold: The file of links.
        sentences: The file of sentences; without it, the one that ``gold_files`` names.
        index_base: What the indices count from, 0 or 1. Without it they count from 0, and a file in which no index
            is 0 is refused: scored from 0, a file that counts from 1 gives a wrong error rate and no other sign.

    Returns:
        The pairs. Links to words that do not exist are left out and counted in ``outside``.

    Raises:
        DataError: Naming file and line, for a missing file, an unreadable line, files of unequal length, an unknown
            index base, or more than ``MAX_OUTSIDE`` of the sentences with a link to a word that does not exist.
    """
    if sentences is None:
        gold, sentences = gold_files(gold)
    rows, texts = read_lines(gold), read_lines(sentences)
    if len(texts) != len(rows):
        raise DataError(f"{sentences} has {len(texts)} lines but {gold} has {len(rows)}")
    links = []
    for number, row in enumerate(rows, start=1):
        with at_line(gold, number):
            links.append(parse_indices(row, index_base=index_base or 0))
    if index_base is None:
        refuse_unknown_base(
            gold,
            [each.possible for each in links],
            "say what they are counted from: --index-base 1, or --index-base 0",
        )
    pairs: list[GoldPair] = []
    first = ""
    for number, (text, own) in enumerate(zip(texts, links, strict=True), start=1):
        source, target = _sides(text, f"{sentences}:{number}")
        sizes = len(source), len(target)
        outside = _outside(own.possible, sizes)
        if outside and not first:
            i, j = min(outside)
            base = index_base or 0
            first = (
                f"{gold}:{number}: link {i + base}-{j + base} is out of range, "
                f"the sentences have {sizes[0]} and {sizes[1]} words"
            )
        kept = GoldLinks(own.sure - outside, own.possible - outside)
        pairs.append(GoldPair(source, target, kept, len(outside)))
    _limit_outside(pairs, first, index_base or 0)
    return pairs


def outside_note(pairs: list[GoldPair]) -> str | None:
    """Describe the links that were left out of a set; None if there are none."""
    links = sum(pair.outside for pair in pairs)
    sentences = sum(pair.outside > 0 for pair in pairs)
    if not links:
        return None
    return f"{links:,} gold links in {sentences:,} of {len(pairs):,} sentences are out of range and left out"


def _sides(text: str, place: str) -> tuple[list[str], list[str]]:
    sides = text.split(_SIDES)
    if len(sides) != 2:
        raise DataError(
            f"{place}: {len(sides)} texts instead of 2",
            f"write source and target with {_SIDES!r} between them",
        )
    return sides[0].split(), sides[1].split()


def _outside(links: Links, sizes: tuple[int, int]) -> Links:
    return frozenset((i, j) for i, j in links if not (0 <= i < sizes[0] and 0 <= j < sizes[1]))


def _limit_outside(pairs: list[GoldPair], first: str, index_base: int) -> None:
    bad = sum(pair.outside > 0 for pair in pairs)
    if bad > MAX_OUTSIDE * len(pairs):
        raise DataError(
            f"{first}; {bad:,} of {len(pairs):,} sentences have such links (at most {MAX_OUTSIDE:.0%} may)",
            f"mend the file, or check the index base (now {index_base})",
        )
