"""Terms of the loss: the name of an objective and its weight, which may change over the run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otx.did_you_mean import remedy
from otx.errors import UsageError

_TEXT = re.compile(r"(?:(?P<weight>[^*]+)\*)?(?P<name>[^*\s]+)")
_GRAMMAR = 'write NAME or WEIGHT*NAME, as in "0.5*tlm", or in "0..1*tlm" for a weight that changes'
_KEYS = ("name", "weight", "over")

COLUMNS = frozenset({"step", "loss", "pairs", "tokens", "grad_norm", "lr", "seconds", "guards"})
"""Columns of metrics.jsonl that otx writes. An objective's name is a column, too, so no objective has one of them."""
GRADIENT = "gradient"
"""Last part of the column of an objective's gradient norm; no term of an objective may have this name."""


@dataclass(frozen=True, slots=True)
class ObjectiveTerm:
    """An objective and its weight, which changes linearly from ``start`` to ``end`` and then stays.

    Attributes:
        name: Name of the objective.
        start: Weight at the beginning of the run.
        end: Weight at the end.
        over: Share of the run's steps, above 0 and at most 1, over which the weight changes.
    """

    name: str
    start: float
    end: float
    over: float = 1.0

    def weight(self, share: float) -> float:
        """Return the weight when ``share`` (0 to 1) of the run is done.

        Args:
            share: Share of the run that is done, from 0 to 1.

        Example:
            >>> ObjectiveTerm("tlm", 0.0, 1.0, over=0.5).weight(0.25)
            0.5
        """
        return self.start + (self.end - self.start) * min(1.0, share / self.over)

    @property
    def amount(self) -> str:
        """The weight as text: ``0.5``, ``0..1`` or ``0..1@0.2``."""
        if self.start == self.end:
            return f"{self.start:g}"
        return f"{self.start:g}..{self.end:g}" + (f"@{self.over:g}" if self.over < 1 else "")


def parse_term(text: str) -> ObjectiveTerm:
    """Parse a term.

    Args:
        text: ``sinkhorn``, ``0.5*tlm``, ``0..1*tlm`` (rising over the whole run) or ``0..1@0.2*tlm`` (over its first
            fifth).

    Raises:
        UsageError: For any other text.

    Example:
        >>> parse_term("0.5*tlm")
        ObjectiveTerm(name='tlm', start=0.5, end=0.5, over=1.0)
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{text}', which is not an objective", _GRAMMAR)
    amount, name = match["weight"] or "1", match["name"]
    span, at, over = amount.partition("@")
    start, dots, end = span.partition("..")
    first, last = _number(start), _number(end if dots else start)
    share = _number(over) if at else 1.0
    sound = all(0 <= number < math.inf for number in (first, last)) and first + last > 0
    if not sound or (at and not dots):
        raise UsageError(f"'{text}', whose weight is not a number above 0", _GRAMMAR)
    if not 0 < share <= 1:
        raise UsageError(f"'{text}', whose part of the run is not above 0 and at most 1", _GRAMMAR)
    return ObjectiveTerm(name, first, last, share)


def term_text(table: Mapping[str, Any]) -> str:
    """Return a table of ``[[align.objective]]`` as text.

    Args:
        table: ``name``, and optionally ``weight`` and ``over``.

    Raises:
        UsageError: For an unknown key, and for a table without a name.

    Example:
        >>> term_text({"name": "tlm", "weight": "0..1", "over": 0.2})
        '0..1@0.2*tlm'
    """
    for key in table:
        if key not in _KEYS:
            advice = remedy(key, set(_KEYS))
            raise UsageError(
                f"[[align.objective]] has no key '{key}'",
                f"{advice}; an objective's own options belong in the table of its name",
            )
    if not isinstance(table.get("name"), str):
        raise UsageError("[[align.objective]] without a name", 'write name = "sinkhorn"')
    amount = table.get("weight", 1.0)
    over = f"@{table['over']}" if "over" in table else ""
    return f"{amount}{over}*{table['name']}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
