from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from otx.ot import (
    BALANCED,
    PointCloudProblem,
    Problem,
    Stopping,
    euclidean,
    sinkhorn,
    solve,
    solve_points,
    transport_between_points,
    unbalanced,
)

MASS = torch.full((1, 3), 1 / 3)


def _cost() -> Tensor:
    return torch.rand(1, 3, 3, generator=torch.Generator().manual_seed(0))


def test_one_tau_holds_for_both_sides_and_none_is_balanced() -> None:
    assert Problem(_cost(), MASS, MASS, epsilon=0.1).taus == BALANCED == (math.inf, math.inf)
    assert Problem(_cost(), MASS, MASS, epsilon=0.1, tau=0.5).taus == (0.5, 0.5)
    assert Problem(_cost(), MASS, MASS, epsilon=0.1, tau=(0.5, math.inf)).taus == (0.5, math.inf)


@pytest.mark.parametrize("tau", [BALANCED, 0.3, (0.3, math.inf)])
def test_solving_a_problem_is_calling_its_solver(tau: float | tuple[float, float]) -> None:
    options = {"epsilon": 0.1, "tolerance": 1e-8, "max_iterations": 50}
    if tau == BALANCED:
        called = sinkhorn(_cost(), MASS, MASS, **options)  # type: ignore[arg-type]
    else:
        called = unbalanced(_cost(), MASS, MASS, tau=tau, **options)  # type: ignore[arg-type]
    solved = solve(Problem(_cost(), MASS, MASS, epsilon=0.1, tau=tau), Stopping(1e-8, 50))
    assert torch.equal(solved.value, called.value)
    assert torch.equal(solved.plan, called.plan)


def test_points_are_solved_like_their_cost_matrices_and_get_the_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, 4, generator=generator, requires_grad=True)
    y = torch.randn(1, 3, 4, generator=generator)
    problem = PointCloudProblem(x, y, MASS, MASS, cost=euclidean, epsilon=0.2)
    by_points, by_cost = solve_points(problem), solve(problem.to_problem())
    called = transport_between_points(x, y, MASS, MASS, cost=euclidean, epsilon=0.2)
    assert torch.equal(by_points.value, by_cost.value)
    assert torch.equal(by_points.value, called.value)
    (gradient,) = torch.autograd.grad(by_points.value.sum(), x)
    assert gradient.abs().sum() > 0


def test_a_limit_keeps_the_tolerance() -> None:
    assert Stopping(1e-3, 10).with_limit(4) == Stopping(1e-3, 4)
