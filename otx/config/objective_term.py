"""One term of what is minimised: an objective's name and its weight, fixed or changing over the run."""

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
"""Columns of metrics.jsonl that the training loop writes: no objective, whose name is a column too, has one of them."""
GRADIENT = "gradient"
"""The last part of the column of an objective's gradient norm, which no term of its own may have as its name."""


@dataclass(frozen=True, slots=True)
class ObjectiveTerm:
    """An objective by name; its weight goes in a straight line from ``start`` to ``end``.

    It gets there after ``over``, a share of the run's steps, and stays.
    """

    name: str
    start: float
    end: float
    over: float = 1.0

    def weight(self, share: float) -> float:
        """The weight when ``share`` (0 to 1) of the run is done."""
        return self.start + (self.end - self.start) * min(1.0, share / self.over)

    @property
    def amount(self) -> str:
        """The weight as it is written: ``0.5``, ``0..1`` or ``0..1@0.2``."""
        if self.start == self.end:
            return f"{self.start:g}"
        return f"{self.start:g}..{self.end:g}" + (f"@{self.over:g}" if self.over < 1 else "")


def parse_term(text: str) -> ObjectiveTerm:
    """``sinkhorn``, ``0.5*tlm``, ``0..1*tlm`` (over the whole run) or ``0..1@0.2*tlm`` (over its first fifth).

    Raises UsageError for what is none of these.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{text}', which is no objective", _GRAMMAR)
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
    """A table of ``[[align.objective]]`` as the text that says the same. Raises UsageError for one without a name."""
    for key in table:
        if key not in _KEYS:
            advice = remedy(key, set(_KEYS))
            raise UsageError(
                f"[[align.objective]] has no key '{key}'",
                f"{advice}; an objective's own options stand in the table of its name",
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
