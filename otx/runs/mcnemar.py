"""McNemar's exact test of two systems that are right or wrong on the same examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from otx.types import Metric, Score


def exact_p(one: Sequence[Score], other: Sequence[Score], metric: Metric) -> float | None:
    """Return the two-sided p of two systems being right equally often.

    Args:
        one: Scores of the first system.
        other: Scores of the second system on the same examples, in any order.
        metric: The metric.

    Returns:
        The exact p, given the examples on which the systems differ. None if the test does not apply: the metric is not
        a mean of 0 and 1 over the examples, or examples share clusters and are therefore not independent.

    References:
        McNemar (1947), "Note on the Sampling Error of the Difference between Correlated Proportions or Percentages".
        https://doi.org/10.1007/BF02295996
    """
    if len({score.cluster for score in one}) < len(one):
        return None
    outcomes, others = _outcomes(one, metric), _outcomes(other, metric)
    if outcomes is None or others is None:
        return None
    order = {score.example: place for place, score in enumerate(other)}
    others = others[[order[score.example] for score in one]]
    gained, lost = int((outcomes > others).sum()), int((outcomes < others).sum())
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost).pvalue)


def _outcomes(scores: Sequence[Score], metric: Metric) -> NDArray[np.float64] | None:
    """Return the metric of every example alone, if these are 0 or 1 and their mean is the metric."""
    names = scores[0].statistics
    columns = {
        name: np.array([score.statistics.get(name, 0.0) for score in scores]) for name in names
    }
    with np.errstate(all="ignore"):
        values = np.asarray(metric.compute(columns), dtype=np.float64)
        whole = float(metric.compute({name: column.sum() for name, column in columns.items()}))
    if values.shape != (len(scores),) or not np.isin(values, (0.0, 1.0)).all():
        return None
    return values if np.isclose(values.mean(), whole) else None
