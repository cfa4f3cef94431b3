"""What a peer of the benchmark is, what it answers, and how wrong an answer's plan is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.peers.problems import Problems


@dataclass(frozen=True, eq=False)
class Answer:
    """``value``, the sum over problems, differentiable, and how to get the plans ``[P, N, M]``.

    The plans are made only when asked for: stacking them is no part of what is timed.
    ``iterations [P]`` are known of ours.
    """

    value: Tensor
    plan: Callable[[], Tensor]
    iterations: Tensor | None = None


Solve = Callable[[Problems, Tensor, Tensor, float, float], Answer]
"""From problems, vectors x and y like theirs, epsilon and a knob to an answer."""


@dataclass(frozen=True, eq=False)
class Peer:
    """A solver with one knob, whose positions go from the loosest to the tightest.

    ``loop``: it solves one problem at a time, so that its time can be told from a few of them.
    ``cpu``: it runs on nothing else.
    """

    name: str
    about: str
    knob: str
    positions: tuple[float, ...]
    solve: Solve
    loop: bool = False
    cpu: bool = False


def marginal_error(plan: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """How far, ``[P]``, the marginals of ``plan [P, N, M]`` are from uniform ones, in L1, both sides added.

    ``a [P, N]`` and ``b [P, M]`` say by being positive which words are real; their own rounding
    does not count. Mass at padding counts as error, and what is not a number is infinitely wrong.
    """
    total = torch.zeros(len(plan), dtype=torch.float64, device=plan.device)
    for mass, sums in ((a, plan.double().sum(2)), (b, plan.double().sum(1))):
        real = (mass > 0).double()
        total += (sums - real / real.sum(1, keepdim=True)).abs().sum(1)
    return total.nan_to_num(nan=torch.inf)


def falling(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Thresholds from ``start`` down."""
    return tuple(start / factor**step for step in range(count))
