"""Distinguish a fine-tuning that learnt its task from one that stayed at chance level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from otx.types import Metric

ERRORS = 3
"""Standard errors by which a fit must beat the best baseline: the best of four checks is taken, so two are too few."""


@dataclass(frozen=True, slots=True)
class FitQuality:
    """The verdict of the development data on one fine-tuning.

    Attributes:
        metric: The task's first metric, in which all numbers are.
        best: Its value at the best check, a fraction.
        step: The optimiser step of that check, whose weights are kept.
        size: Number of development examples.
        floor: Name of the best baseline without an encoder; None if the source language has none.
        floor_value: Value of that baseline on the source language's test examples, a fraction.
        left_chance: True if ``best`` beats the baseline by more than three standard errors, or if there is none.
    """

    metric: str
    best: float
    step: int
    size: int
    floor: str | None
    floor_value: float | None
    left_chance: bool


def judge_fit(
    metric: Metric, *, best: float, step: int, size: int, baselines: Mapping[str, float]
) -> FitQuality:
    """Compare the best development score of a fine-tuning with its task's baselines.

    The standard error is that of a share of ``size`` examples, ``sqrt(p (1 - p) / size)`` with p the baseline.

    Args:
        metric: The task's first metric.
        best: Its value at the best check, a fraction.
        step: The step of that check.
        size: Number of development examples, at least 1.
        baselines: Values of the baselines without an encoder, by name; may be empty.

    Returns:
        The verdict.

    Example:
        >>> accuracy = Metric("accuracy", lambda sums: 0.0)
        >>> majority = {"majority": 1 / 3}
        >>> judge_fit(accuracy, best=0.35, step=40, size=500, baselines=majority).left_chance
        False
        >>> judge_fit(accuracy, best=0.62, step=40, size=500, baselines=majority).left_chance
        True
    """
    if not baselines or math.isnan(best):
        return FitQuality(metric.name, best, step, size, None, None, not math.isnan(best))
    pick = max if metric.higher_is_better else min
    name, value = pick(baselines.items(), key=lambda item: item[1])
    gain = best - value if metric.higher_is_better else value - best
    error = math.sqrt(max(value * (1 - value), 0.0) / max(size, 1))
    return FitQuality(metric.name, best, step, size, name, value, gain > ERRORS * error)
