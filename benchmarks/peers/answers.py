"""Peers of the benchmark, their answers, and the error of an answer's plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.peers.problems import Problems


@dataclass(frozen=True, eq=False)
class Answer:
    """A peer's solution of a batch of problems.

    Attributes:
        value: Sum of the values of all problems, differentiable.
        plan: Function that returns the plans ``[P, N, M]``. Stacking them is not timed.
        iterations: Iterations ``[P]``; known for otx only.
    """

    value: Tensor
    plan: Callable[[], Tensor]
    iterations: Tensor | None = None


Solve = Callable[[Problems, Tensor, Tensor, float, float], Answer]
"""A function of problems, vectors x and y shaped like theirs, epsilon and a knob position that returns an answer."""


@dataclass(frozen=True, eq=False)
class Peer:
    """A solver with one knob that trades accuracy for time.

    Attributes:
        name: Name in tables.
        about: One line on what is called and how.
        knob: Name of the knob.
        positions: Positions of the knob, from the loosest to the tightest.
        solve: The solver.
        loop: True if it solves one problem at a time, so that a few of them predict its time.
        cpu: True if it runs on the CPU only.
    """

    name: str
    about: str
    knob: str
    positions: tuple[float, ...]
    solve: Solve
    loop: bool = False
    cpu: bool = False


def marginal_error(plan: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Compute the L1 distance of a plan's marginals from uniform ones, both sides added.

    Mass at padding counts as error. An error that is not a number becomes infinite.

    Args:
        plan: Plans ``[P, N, M]``.
        a: Source masses ``[P, N]``, positive at real words; their rounding does not count.
        b: Target masses ``[P, M]``, positive at real words.

    Returns:
        The errors ``[P]`` in float64.
    """
    total = torch.zeros(len(plan), dtype=torch.float64, device=plan.device)
    for mass, sums in ((a, plan.double().sum(2)), (b, plan.double().sum(1))):
        real = (mass > 0).double()
        total += (sums - real / real.sum(1, keepdim=True)).abs().sum(1)
    return total.nan_to_num(nan=torch.inf)


def falling(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Return falling thresholds.

    Args:
        start: The first threshold.
        factor: Ratio between one threshold and the next.
        count: Number of thresholds.

    Returns:
        The thresholds.
    """
    return tuple(start / factor**step for step in range(count))
