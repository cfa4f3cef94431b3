"""The loss at both ends of a run, averaged over several steps, since that of a single step is mostly noise."""

from __future__ import annotations

from collections.abc import Mapping


def averaged_steps(steps: int) -> int:
    """Return the number of steps averaged at each end: a tenth, at least one.

    Args:
        steps: Number of steps of the run.

    Example:
        >>> averaged_steps(78), averaged_steps(3)
        (7, 1)
    """
    return max(1, steps // 10)


def loss_text(loss: Mapping[str, float], steps: int) -> str:
    """Return the losses at both ends of a run, with a description.

    Args:
        loss: ``first`` and ``last``, the mean losses at the two ends.
        steps: Number of steps of the run.

    Example:
        >>> loss_text({"first": 5.3679, "last": 3.0457}, 78)
        'mean loss of the first and last 7 of 78 steps: 5.368 -> 3.046'
    """
    few = averaged_steps(steps)
    what = f"mean loss of the first and last {few:,}" if few > 1 else "loss of the first and last"
    return f"{what} of {steps:,} steps: {loss['first']:.4g} -> {loss['last']:.4g}"
