"""Alignment error rate (AER), precision, recall and F1 against sure and possible links.

References:
    Och and Ney (2003), "A Systematic Comparison of Various Statistical Alignment Models", section 5.2.
    https://aclanthology.org/J03-1002
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from otx.links.pharaoh import GoldLinks
from otx.types import Links, Metric


def aer_statistics(links: Links, gold: GoldLinks) -> dict[str, float]:
    """Return the statistics of one pair from which the metrics are computed.

    Statistics are summed over the pairs before a metric is computed.

    Args:
        links: The links A of the pair.
        gold: Its sure links S and possible links P; P includes S.

    Returns:
        ``a`` = |A|, ``s`` = |S|, ``a_s`` = |A and S|, ``a_p`` = |A and P|.

    Example:
        >>> gold = GoldLinks(frozenset({(0, 0)}), frozenset({(0, 0), (1, 1)}))
        >>> aer_statistics(frozenset({(0, 0), (1, 1), (2, 1)}), gold)
        {'a': 3.0, 's': 1.0, 'a_s': 1.0, 'a_p': 2.0}
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
    """Return ``part / whole`` elementwise, ``empty`` where the whole is 0; NaN stays NaN."""
    # Imported here, because commands that must start at once show tables of tasks.
    import numpy as np

    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, empty), where=whole != 0)[()]


METRICS = (
    Metric("aer", _error_rate, higher_is_better=False),
    Metric("precision", _precision),
    Metric("recall", _recall),
    Metric("f1", _f1),
)
"""The metrics, AER first. Without any link, precision and F1 are 0. Without any gold link, recall and F1 are NaN, and
AER is NaN if there are no links either."""
