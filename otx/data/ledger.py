"""The ledger of a corpus: how many of its lines are used, held out, filtered, refused and repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otx.data.lines import REPAIRED
from otx.interfaces import Corpus
from otx.types import Problem

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
    refused, repaired = _by_line(corpus.problems())
    return Ledger(
        read=len(corpus) + len(refused),
        used=len(corpus),
        refused=_counted(refused.values()),
        repaired=_counted(repaired.values()),
    )


def count_used(
    corpus: Corpus, used: np.ndarray, held_out: int, filtered: Mapping[str, int]
) -> Ledger:
    """Count the lines of a corpus whose pairs are partly used.

    Args:
        corpus: The corpus, or a part of it, which has the problems of the whole.
        used: Line numbers ``[K]`` of the pairs that are used.
        held_out: Number of pairs held out.
        filtered: Number of dropped pairs by reason.

    Returns:
        The ledger.
    """
    # Imported here because the command line imports this module.
    import numpy as np

    refused, repaired = _by_line(corpus.problems())
    lines = np.array(list(repaired), dtype=np.int64)
    among = lines[np.isin(lines, used)].tolist()
    return Ledger(
        read=len(used) + held_out + sum(filtered.values()) + len(refused),
        used=len(used),
        held_out=held_out,
        filtered=dict(filtered),
        refused=_counted(refused.values()),
        repaired=_counted(repaired[line] for line in among),
    )


def _by_line(problems: Iterable[Problem]) -> tuple[dict[int, str], dict[int, str]]:
    """Return the first fault of every refused line, and the first repair of every line that was only repaired."""
    refused: dict[int, str] = {}
    repaired: dict[int, str] = {}
    for problem in problems:
        lines = repaired if problem.kind in REPAIRED else refused
        lines.setdefault(problem.line, problem.kind)
    return refused, {line: kind for line, kind in repaired.items() if line not in refused}


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    return dict(Counter(kinds))


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
