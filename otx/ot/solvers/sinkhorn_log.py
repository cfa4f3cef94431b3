"""Sinkhorn's iterations in the log domain, cooled from a temperature at which they converge fast.

The temperature falls geometrically to epsilon from a tenth of the cost's range. Each problem has a schedule of its
own, so that no problem depends on its batch.

References:
    Schmitzer (2019), "Stabilized sparse scaling algorithms for entropy regularized transport problems" (epsilon
    scaling). https://arxiv.org/abs/1610.06519
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from otx.ot.problems.entropic import EntropicProblem

SWEEPS = 12
"""Iterations before Newton: nearly enough where the cost's range is ten epsilons. Beyond, Newton is cheaper."""


def alternate(problem: EntropicProblem, v: Tensor, sweeps: int) -> Tensor:
    """Update rows, then columns, while cooling.

    Args:
        problem: The problems.
        v: Target potentials ``[B, M]`` to start from, in units of epsilon.
        sweeps: Number of iterations.

    Returns:
        The potentials v ``[B, M]`` after these iterations.
    """
    for temperature, heated in cool(problem, sweeps):
        u = temperature * heated.rows(v / temperature)
        v = temperature * heated.columns(u / temperature)
    return v


def average(problem: EntropicProblem, v: Tensor, sweeps: int) -> Tensor:
    """Average the potentials with their row update while cooling, for sides against themselves.

    ``v <- (v + rows(v)) / 2`` at least halves the error where the kernel ``exp(-C / eps)`` is positive semi-definite,
    as it is for all our costs.

    Args:
        problem: Symmetric problems.
        v: Potentials ``[B, N]`` to start from, in units of epsilon.
        sweeps: Number of updates.

    Returns:
        The potentials v ``[B, N]`` after these updates.

    References:
        Feydy et al. (2019), "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences", section
        3.1. https://arxiv.org/abs/1810.08278
    """
    for temperature, heated in cool(problem, sweeps):
        v = (v + temperature * heated.rows(v / temperature)) / 2
    return v


def cool(problem: EntropicProblem, sweeps: int) -> Iterator[tuple[Tensor, EntropicProblem]]:
    """Yield the problems at falling temperatures.

    Args:
        problem: The problems.
        sweeps: Number of temperatures.

    Yields:
        The temperatures ``[B, 1]``, in epsilons, falling to 1, and the problems at them.
    """
    start = (problem.cost_range() / 10).clamp_min(1)[:, None]
    for sweep in range(1, sweeps + 1):
        temperature = start ** (1 - sweep / sweeps)
        yield temperature, problem.heat(temperature)
