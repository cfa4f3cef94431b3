"""Formulas of metrics from summed statistics; each also works elementwise on arrays of sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Formula = Callable[[Mapping[str, Any]], Any]
"""From sums by statistic, numbers or arrays, to the metric."""


def mean_of(*parts: str) -> Formula:
    """Return the mean, over examples and ``parts``, of statistics of every example.

    Args:
        *parts: Names of statistics; ``n`` counts the examples.

    Example:
        >>> mean_of("to_pivot", "from_pivot")({"to_pivot": 3, "from_pivot": 1, "n": 4})
        0.5
    """

    def compute(sums: Mapping[str, Any]) -> Any:
        return sum(sums[part] for part in parts) / (len(parts) * sums["n"])

    return compute


def share_of(part: str, *whole: str) -> Formula:
    """Return ``part`` over the mean of ``whole``; 0 if the whole is 0.

    Args:
        part: Name of the statistic in the numerator.
        *whole: Names of one or more statistics in the denominator; of two, the share is an F1.

    Example:
        >>> share_of("right", "found", "gold")({"right": 2, "found": 3, "gold": 5})
        0.5
    """

    def compute(sums: Mapping[str, Any]) -> Any:
        total = sum(sums[name] for name in whole)
        return len(whole) * sums[part] / (total + (total == 0))

    return compute


def ratio_to_geometric_mean(part: str, one: str, other: str) -> Formula:
    """Return ``part`` over the geometric mean of two statistics; 0 if that mean is 0.

    Args:
        part: Name of the statistic in the numerator.
        one: Name of the first statistic of the mean.
        other: Name of the second.

    Example:
        >>> ratio_to_geometric_mean("both", "own", "other")({"both": 3.0, "own": 4.0, "other": 9.0})
        0.5
    """

    def compute(sums: Mapping[str, Any]) -> Any:
        whole = (sums[one] * sums[other]) ** 0.5
        return sums[part] / (whole + (whole == 0))

    return compute


def participation_ratio(sums: Mapping[str, Any]) -> Any:
    """Return the squared sum of eigenvalues over the sum of their squares.

    It is 0 if all vectors are equal.

    Args:
        sums: ``power``, the trace of a covariance, and ``own``, the trace of its square.

    Example:
        >>> participation_ratio({"power": 4.0, "own": 8.0})
        2.0
    """
    return sums["power"] ** 2 / (sums["own"] + (sums["own"] == 0))


def skewness(sums: Mapping[str, Any]) -> Any:
    """Return the third standardised moment of counts; 0 if all counts are equal.

    Args:
        sums: ``near``, ``near2`` and ``near3``, the sums of the counts and of their squares and cubes, and ``n``.

    Example:
        >>> skewness({"near": 6, "near2": 12, "near3": 24, "n": 3})
        0.0
    """
    mean = sums["near"] / sums["n"]
    square, cube = sums["near2"] / sums["n"], sums["near3"] / sums["n"]
    # Rounding leaves a small variance where there is none; counts are whole numbers, so a real one is far larger.
    variance = square - mean**2
    flat = (variance < 1e-9) * 1.0
    third = cube - 3 * mean * square + 2 * mean**3
    return third * (1 - flat) / (variance * (1 - flat) + flat) ** 1.5
