"""Tell a fit that learnt its task from one that never left chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from otx.types import Metric

ERRORS = 3
"""Standard errors by which a fit must beat the best floor: of four checks the best is taken, so two would not do."""


@dataclass(frozen=True, slots=True)
class FitQuality:
    """The verdict of the development data on one fine-tuning.

    Attributes:
        metric: The task's first metric, in which all numbers are.
        best: Its value at the best check, a fraction.
        step: The optimiser step of that check, whose weights are kept.
        size: Number of development examples.
        floor: Name of the best baseline that needs no encoder; None where none is known in the source language.
        floor_value: What that baseline reaches on the source language's test examples, a fraction.
        left_chance: Whether ``best`` is beyond the floor by more than three standard errors; True without a floor.
    """

    metric: str
    best: float
    step: int
    size: int
    floor: str | None
    floor_value: float | None
    left_chance: bool


def judge_fit(
    metric: Metric, best: float, step: int, size: int, floors: Mapping[str, float]
) -> FitQuality:
    """Compare a fit's best development score with the floors of its task.

    The standard error is that of a share of ``size`` examples, ``sqrt(p (1 - p) / size)`` with p the floor.

    Args:
        metric: The task's first metric.
        best: Its value at the best check, a fraction.
        step: The step of that check.
        size: Number of development examples, at least 1.
        floors: Values of baselines that need no encoder, by name; may be empty.

    Returns:
        The judgement.

    Example:
        >>> from otx.types import Metric
        >>> accuracy = Metric("accuracy", lambda sums: 0.0)
        >>> judge_fit(accuracy, 0.35, 40, 500, {"majority": 1 / 3}).left_chance
        False
        >>> judge_fit(accuracy, 0.62, 40, 500, {"majority": 1 / 3}).left_chance
        True
    """
    if not floors or math.isnan(best):
        return FitQuality(metric.name, best, step, size, None, None, not math.isnan(best))
    pick = max if metric.higher_is_better else min
    name, value = pick(floors.items(), key=lambda item: item[1])
    gain = best - value if metric.higher_is_better else value - best
    error = math.sqrt(max(value * (1 - value), 0.0) / max(size, 1))
    return FitQuality(metric.name, best, step, size, name, value, gain > ERRORS * error)
