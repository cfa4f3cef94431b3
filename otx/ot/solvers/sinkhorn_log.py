"""Sinkhorn's sweeps in the log domain, cooling from a temperature at which they converge fast.

The temperature falls geometrically to epsilon from a tenth of the cost's range (epsilon scaling:
Schmitzer 2019), for each problem on a schedule of its own, so that no problem depends on its batch.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from otx.ot.problems.entropic import EntropicProblem


def alternate(problem: EntropicProblem, v: Tensor, sweeps: int) -> Tensor:
    """Potentials v ``[B, M]`` after so many full iterations (rows, then columns), cooling."""
    for temperature, heated in cooling(problem, sweeps):
        u = temperature * heated.rows(v / temperature)
        v = temperature * heated.columns(u / temperature)
    return v


def average(problem: EntropicProblem, v: Tensor, sweeps: int) -> Tensor:
    """Potentials v ``[B, N]`` of a side against itself after so many averaged updates, cooling.

    ``v <- (v + rows(v)) / 2`` at least halves the error where the kernel exp(-C / eps) is positive
    semi-definite (Feydy et al., AISTATS 2019, section 3.1), as it is for all our costs.
    """
    for temperature, heated in cooling(problem, sweeps):
        v = (v + temperature * heated.rows(v / temperature)) / 2
    return v


def cooling(problem: EntropicProblem, sweeps: int) -> Iterator[tuple[Tensor, EntropicProblem]]:
    """Temperatures ``[B, 1]``, in epsilons, falling to 1, each with the problem at it."""
    start = (problem.cost_range() / 10).clamp_min(1)[:, None]
    for sweep in range(1, sweeps + 1):
        temperature = start ** (1 - sweep / sweeps)
        yield temperature, problem.heated(temperature)
