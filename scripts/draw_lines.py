"""Draw pairs from a two-column TSV in a fixed order and write them as a line-aligned prefix.

    python scripts/draw_lines.py all.tsv 30000 out/en-de en de [--skip 30000] [--max-words 15] [--wrong]

`--wrong` pairs each first side with another line's second side: a control in which nothing is a translation.
Of pairs with the same first side, one is drawn. `--max-words` leaves out pairs whose first side has more words.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path


def draw(
    lines: list[str], skip: int, count: int, max_words: int | None = None
) -> list[tuple[str, str]]:
    r"""Draw pairs in the order of the hash of their first side, each first side once.

    Skipped and drawn pairs therefore never share a first side, whatever else the table contains.

    Args:
        lines: Lines with two texts, separated by a tab.
        skip: Number of pairs to skip first.
        count: Number of pairs to draw.
        max_words: Maximum number of words of a first side; None for no limit.

    Returns:
        The pairs.

    Example:
        >>> draw(["a\tA", "b\tB", "b\tC"], skip=0, count=5)
        [('b', 'B'), ('a', 'A')]
    """
    pairs: dict[str, str] = {}
    for line in lines:
        first, tab, second = line.partition("\t")
        if first and second and tab and (max_words is None or len(first.split()) <= max_words):
            pairs.setdefault(first, second)
    order = sorted(pairs, key=lambda first: hashlib.sha256(first.encode()).digest())
    return [(first, pairs[first]) for first in order[skip : skip + count]]


def main() -> None:
    """Parse the command line, draw the pairs and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("prefix", type=Path)
    parser.add_argument("sides", nargs=2)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--max-words", type=int)
    parser.add_argument("--wrong", action="store_true")
    args = parser.parse_args()
    drawn = draw(
        args.table.read_text(encoding="utf-8").split("\n"), args.skip, args.count, args.max_words
    )
    firsts = [pair[0] for pair in drawn]
    seconds = [pair[1] for pair in drawn]
    if args.wrong:
        seconds = seconds[1:] + seconds[:1]
    for side, lines in zip(args.sides, (firsts, seconds), strict=True):
        path = args.prefix.with_name(f"{args.prefix.name}.{side}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
