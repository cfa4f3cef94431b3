from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, Problem
from otx.ot.solvers.sinkhorn_log import alternate, average


def _error(problem: Any, v: Any) -> Any:
    return (problem.plan(problem.rows(v), v).sum(1) - problem.b).abs().sum().item()


def test_alternate_sweeps_are_sinkhorns(make_case: Any, pot_plan: Any) -> None:
    """With a range below ten epsilons there is nothing to cool: plain Sinkhorn, as POT's."""
    case = make_case(0, 6, 9, 8.0)
    problem = validate(Problem(*case.tensors(torch.float64), epsilon=case.epsilon))
    v = alternate(problem, torch.zeros(1, 9, dtype=torch.float64), 3)
    b, kernel = torch.ones(9).double(), torch.tensor(case.cost / -case.epsilon).exp()
    for _ in range(3):
        a = 1 / (kernel @ (b * problem.b[0]))
        b = 1 / (kernel.T @ (a * problem.a[0]))
    assert torch.allclose(v[0], b.log())


@pytest.mark.parametrize("tau", [BALANCED, (0.2, 0.2), (0.2, math.inf)])
def test_sweeps_converge(make_case: Any, tau: Any) -> None:
    case = make_case(0, 6, 9, 8.0)
    problem = validate(Problem(*case.tensors(torch.float64), epsilon=case.epsilon, tau=tau))
    v = alternate(problem, torch.zeros(1, 9, dtype=torch.float64), 100)
    u = problem.rows(v)
    assert torch.allclose(problem.plan(u, v).sum(1), problem.column_target(v), atol=1e-8)


def test_averaging_halves_the_error_of_a_symmetric_problem() -> None:
    points = torch.randn(1, 15, 3, generator=torch.Generator().manual_seed(0)).double()
    mass = torch.full((1, 15), 1 / 15).double()
    problem = validate(Problem(torch.cdist(points, points), mass, mass, epsilon=1.0))
    zero = torch.zeros_like(mass)
    errors = [_error(problem, average(problem, zero, sweeps)) for sweeps in (8, 12, 16)]
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


def test_a_problem_cools_on_its_own_schedule(make_case: Any) -> None:
    cases = [make_case(i, 6, 9, spread) for i, spread in enumerate((1.0, 50.0, 1e4))]
    inputs = [torch.cat(parts) for parts in zip(*(c.tensors() for c in cases), strict=True)]
    together = alternate(validate(Problem(*inputs, epsilon=0.01)), torch.zeros(3, 9).double(), 5)
    for i, case in enumerate(cases):
        alone = alternate(
            validate(Problem(*case.tensors(), epsilon=0.01)), torch.zeros(1, 9).double(), 5
        )
        assert torch.allclose(together[i], alone[0])
