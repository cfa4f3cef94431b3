"""The ledger of a corpus: how many of its lines are used, held out, filtered, refused and repaired."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otx.data.lines import REPAIRED
from otx.interfaces import Corpus

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Ledger:
    """Counts of a corpus's lines.

    ``read == used + held_out + sum(filtered) + sum(refused)``.

    Attributes:
        read: Lines of the two files, or units of a translation memory that have both languages.
        used: Pairs that are trained on, linked or described.
        held_out: Pairs that are held out to select a checkpoint or to report.
        filtered: Usable pairs that were dropped, by reason, each under the first reason that holds.
        refused: Lines that cannot be used, by the kind of their first fault.
        repaired: Used lines that were repaired, by the kind of the first repair. CRLF is counted once per file, at its
            first such line.
    """

    read: int
    used: int
    held_out: int = 0
    filtered: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)


def count_lines(corpus: Corpus) -> Ledger:
    """Count the lines of a corpus whose pairs are all used.

    Args:
        corpus: The corpus.

    Returns:
        The ledger: ``read == used + sum(refused)``.
    """
    refused, repaired, _ = _by_kind(corpus)
    return Ledger(
        read=len(corpus) + sum(refused.values()),
        used=len(corpus),
        refused=refused,
        repaired=repaired,
    )


def count_used(
    corpus: Corpus,
    used: int,
    lines: Iterable[np.ndarray],
    *,
    held_out: int,
    filtered: Mapping[str, int],
) -> Ledger:
    """Count the lines of a corpus whose pairs are partly used.

    Args:
        corpus: The corpus, or a part of it, which has the problems of the whole.
        used: Number of the pairs that are used.
        lines: Their line numbers, in blocks of any size; read only if a line was repaired.
        held_out: Number of pairs held out.
        filtered: Number of dropped pairs by reason.

    Returns:
        The ledger.
    """
    refused, repaired, lines_by_kind = _by_kind(corpus)
    if repaired:
        repaired = _count_among(lines_by_kind, lines)
    return Ledger(
        read=used + held_out + sum(filtered.values()) + sum(refused.values()),
        used=used,
        held_out=held_out,
        filtered=dict(filtered),
        refused=refused,
        repaired=repaired,
    )


def _by_kind(corpus: Corpus) -> tuple[dict[str, int], dict[str, int], dict[str, np.ndarray]]:
    """Count refused lines by their first fault, and lines that were only repaired by their first repair.

    Memory: 9 bytes per problem.

    Returns:
        Both counts, and the numbers of the repaired lines by kind.
    """
    # Imported here because the command line imports this module.
    import numpy as np

    from otx.data.subset import each_problem

    codes: dict[str, int] = {}
    numbers, kinds = array("q"), array("B")
    for problem in each_problem(corpus):
        numbers.append(problem.line)
        kinds.append(codes.setdefault(problem.kind, len(codes)))
    if not codes:
        return {}, {}, {}
    lines, code = np.frombuffer(numbers, np.int64), np.frombuffer(kinds, np.uint8)
    is_repair = np.array([kind in REPAIRED for kind in codes])[code]

    def first_of_each_line(rows: np.ndarray) -> np.ndarray:
        _, first = np.unique(lines[rows], return_index=True)
        chosen: np.ndarray = rows[np.sort(first)]
        return chosen

    refused = first_of_each_line(np.flatnonzero(~is_repair))
    repaired = first_of_each_line(np.flatnonzero(is_repair))
    repaired = repaired[~np.isin(lines[repaired], lines[refused])]
    names = list(codes)
    return (
        dict(Counter(names[kind] for kind in code[refused].tolist())),
        dict(Counter(names[kind] for kind in code[repaired].tolist())),
        {
            names[kind]: lines[repaired[code[repaired] == kind]]
            for kind in dict.fromkeys(code[repaired].tolist())
        },
    )


def _count_among(by_kind: Mapping[str, np.ndarray], blocks: Iterable[np.ndarray]) -> dict[str, int]:
    """Count the lines of each kind that are among others, which come in blocks."""
    import numpy as np

    among = {kind: np.zeros(len(lines), dtype=bool) for kind, lines in by_kind.items()}
    for block in blocks:
        for kind, lines in by_kind.items():
            among[kind] |= np.isin(lines, block)
    return {kind: int(marks.sum()) for kind, marks in among.items() if marks.any()}


def kinds_text(kinds: Mapping[str, int], noun: str = "") -> str:
    """Return counts by kind in words.

    Args:
        kinds: Number by kind.
        noun: Follows the total.

    Example:
        >>> kinds_text({"empty": 2, "nul": 1}, "refused"), kinds_text({})
        ('3 refused (2 empty, 1 nul)', '0')
    """
    total = f"{sum(kinds.values()):,} {noun}".strip()
    parts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    return f"{total} ({parts})" if parts else total


def ledger_text(corpus: Mapping[str, Any]) -> str:
    """Return the ledger of a corpus in a run's record in words.

    Args:
        corpus: The corpus as in run.json. Runs older than ledgers have plain counts.
    """
    ledger = corpus.get("ledger")
    if ledger is None:
        return (
            f"{corpus['pairs']:,} pairs, {corpus['held_out']:,} held out, "
            f"{sum(corpus['filtered'].values()):,} filtered, {corpus['refused']:,} refused"
        )
    repaired = f", {kinds_text(ledger['repaired'], 'repaired')}" if ledger["repaired"] else ""
    return (
        f"{ledger['read']:,} lines: {ledger['used']:,} pairs to train on, {ledger['held_out']:,} held out, "
        f"{kinds_text(ledger['filtered'], 'filtered')}, {kinds_text(ledger['refused'], 'refused')}{repaired}"
    )
