"""McNemar's exact test: of two systems that are right or wrong on the same examples, is one more often right?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from otx.types import Metric, Score


def exact_p(one: Sequence[Score], other: Sequence[Score], metric: Metric) -> float | None:
    """Two-sided p that ``one`` and ``other`` are as often right, given where they differ (McNemar 1947, exact).

    None where the test does not apply: the metric is not a mean of 0 and 1 over the examples, or examples share
    clusters, and so are not independent.
    """
    if len({score.cluster for score in one}) < len(one):
        return None
    right, wanted = _outcomes(one, metric), _outcomes(other, metric)
    if right is None or wanted is None:
        return None
    order = {score.example: place for place, score in enumerate(other)}
    wanted = wanted[[order[score.example] for score in one]]
    gained, lost = int((right > wanted).sum()), int((right < wanted).sum())
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost).pvalue)


def _outcomes(scores: Sequence[Score], metric: Metric) -> NDArray[np.float64] | None:
    """The metric of every example alone, if these are 0 or 1 and their mean is the metric."""
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
