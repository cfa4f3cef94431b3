"""Iterations in chunks, on the CPU, against the solver that checks as it goes."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import pytest
import torch

from otx.errors import ProblemError
from otx.ot.costs.ground import cosine, euclidean
from otx.ot.problems.problem import BALANCED, Problem
from otx.ot.solvers import in_chunks
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.in_chunks import CHUNK, can_solve, solve_in_chunks
from otx.ot.solvers.solve import solve_with_torch
from otx.ot.stopping import Stopping
from tests.ot.solvers import on_chip_calls

STOPPING = Stopping(1e-8, 200)


def _side(batch: int, length: int, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(batch, length, 8, generator=generator)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    return points, (torch.arange(length) < lengths) / lengths


def _problem(tau: Any = BALANCED, epsilon: float = 0.1) -> Problem:
    (x, a), (y, b) = _side(4, 23, 0), _side(4, 31, 1)
    cost = cosine(x, y)
    cost.masked_fill_((a == 0)[:, :, None], math.nan)
    return Problem(cost.requires_grad_(), a.requires_grad_(), b, epsilon=epsilon, tau=tau)


@pytest.mark.parametrize("tau", [BALANCED, (0.5, 0.5), (math.inf, 0.2)])
def test_solutions_equal_those_checked_on_the_way(tau: Any) -> None:
    problem = _problem(tau)
    ours, wanted = (
        solve_in_chunks(problem, None, STOPPING),
        solve_with_torch(problem, STOPPING, None),
    )
    assert ours is not None
    assert bool(ours.converged.all())
    assert ours.left_over == 0
    assert set(ours.iterations.tolist()) == {int(ours.iterations[0])}
    assert int(ours.iterations[0]) % CHUNK == 0
    for name in ("value", "f", "g", "plan", "mass"):
        torch.testing.assert_close(getattr(ours, name), getattr(wanted, name), atol=1e-6, rtol=1e-5)
    gradients = (
        torch.autograd.grad(result.value.sum(), (problem.cost, problem.a))
        for result in (ours, wanted)
    )
    for gradient, exact in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, exact, atol=1e-6, rtol=1e-5)


def test_what_the_chunks_leave_is_counted_and_solved_by_newton() -> None:
    problem = _problem(epsilon=0.015)
    stopping = Stopping(1e-8, 48)
    ours = solve_in_chunks(problem, None, stopping)
    assert ours is not None
    assert ours.left_over > 0
    assert bool(ours.converged.all())
    assert int(ours.iterations.max()) <= 48
    wanted = solve_with_torch(problem, STOPPING, None)
    torch.testing.assert_close(ours.value, wanted.value, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("break_it", ["negative", "not finite", "empty", "unequal", "unsafe"])
def test_what_has_no_solution_or_is_not_safe_is_refused(break_it: str) -> None:
    problem = _problem()
    cost, a, b = problem.cost.detach().clone(), problem.a.detach().clone(), problem.b.clone()
    if break_it == "negative":
        b[2, 0] = -1e-3
    elif break_it == "not finite":
        cost[2, 0, 0] = math.nan
    elif break_it == "empty":
        a[2] = 0
    elif break_it == "unequal":
        b[2] *= 1.1
    else:
        cost[2] *= 1000
    assert solve_in_chunks(Problem(cost, a, b, epsilon=0.1), None, STOPPING) is None


@pytest.mark.parametrize(("epsilon", "tau"), [(-0.1, BALANCED), (0.1, (-1.0, 1.0))])
def test_regularisation_out_of_range_is_an_error(epsilon: float, tau: Any) -> None:
    with pytest.raises(ProblemError, match="it must be positive"):
        solve_in_chunks(_problem(tau, epsilon), None, STOPPING)


def test_a_cost_modified_before_its_gradient_is_an_error() -> None:
    problem = _problem()
    solved = solve_in_chunks(problem, None, STOPPING)
    assert solved is not None
    with torch.no_grad():
        problem.cost.mul_(2)
    with pytest.raises(RuntimeError, match="modified in place"):
        solved.value.sum().backward()


@pytest.mark.parametrize("tau", [None, 0.5])
@pytest.mark.parametrize("scale", [1.0, 200.0], ids=["safe", "unsafe"])
def test_three_transports_are_one_batch(tau: Any, scale: float) -> None:
    """Scaled costs are beyond what is safe, and go to the other solver."""
    (x, a), (y, b) = _side(3, 9, 0), _side(3, 14, 1)
    x, y = scale * x, scale * y
    options = {"cost": euclidean, "epsilon": 0.5, "tau": tau, "tolerance": 1e-8}
    wanted = on_chip_calls.diverged(*(side.clone() for side in (x, y, a, b)), **options)
    with mock.patch.object(in_chunks, "can_solve", lambda *_: True):
        ours = on_chip_calls.diverged(*(side.clone() for side in (x, y, a, b)), **options)
    torch.testing.assert_close(ours["value"], wanted["value"], atol=1e-5, rtol=1e-5)
    for gradient, exact in zip(ours["gradients"], wanted["gradients"], strict=True):
        torch.testing.assert_close(gradient, exact, atol=1e-5 * scale, rtol=1e-5)
    for part in ("cross", "left", "right"):
        for name in ("value", "f", "g", "plan"):
            exact = wanted[part][name]
            torch.testing.assert_close(ours[part][name], exact, atol=1e-5 * scale, rtol=1e-5)


def test_a_cpu_checks_as_it_goes() -> None:
    assert not can_solve(_problem(), STOPPING)
    (x, a), (y, b) = _side(1, 3, 0), _side(1, 4, 1)
    with mock.patch.object(in_chunks, "solve_in_chunks", side_effect=AssertionError):
        divergence(x, y, a, b, cost=cosine, epsilon=0.1)
