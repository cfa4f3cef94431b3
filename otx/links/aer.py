"""Alignment error rate, precision, recall and F1 against sure and possible links.

Och & Ney 2003, "A systematic comparison of various statistical alignment models", section 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from otx.links.pharaoh import GoldLinks
from otx.types import Links, Metric


def aer_statistics(links: Links, gold: GoldLinks) -> dict[str, float]:
    """What the metrics are made from, to be summed over the pairs.

    ``a`` = |A|, ``s`` = |S|, ``a_s`` = |A and S|, ``a_p`` = |A and P|, where A are the links and P
    holds S.
    """
    return {
        "a": float(len(links)),
        "s": float(len(gold.sure)),
        "a_s": float(len(links & gold.sure)),
        "a_p": float(len(links & gold.possible)),
    }


def _error_rate(sums: Mapping[str, Any]) -> Any:
    return 1 - _share(sums["a_s"] + sums["a_p"], sums["a"] + sums["s"], math.nan)


def _precision(sums: Mapping[str, Any]) -> Any:
    return _share(sums["a_p"], sums["a"], 0.0)


def _recall(sums: Mapping[str, Any]) -> Any:
    return _share(sums["a_s"], sums["s"], math.nan)


def _f1(sums: Mapping[str, Any]) -> Any:
    precision, recall = _precision(sums), _recall(sums)
    return _share(2 * precision * recall, precision + recall, 0.0)


def _share(part: Any, whole: Any, empty: float) -> Any:
    """``part / whole`` elementwise, ``empty`` where the whole is 0; nan stays nan."""
    # Here, because tables of tasks are shown by commands that must start at once.
    import numpy as np

    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, empty), where=whole != 0)[()]


METRICS = (
    Metric("aer", _error_rate, higher_is_better=False),
    Metric("precision", _precision),
    Metric("recall", _recall),
    Metric("f1", _f1),
)
"""AER first. No links at all: precision and F1 are 0. No gold links at all: recall and F1 are nan,
and AER is nan if there are no links either.
"""
