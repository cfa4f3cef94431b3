from __future__ import annotations

import math
from typing import Any

import ot
import pytest
import torch

from otx.errors import ProblemError
from otx.ot.costs.ground import COSTS, cosine, euclidean
from otx.ot.problems.problem import BALANCED, PointCloudProblem
from otx.ot.solvers.tiled import solve_tiled
from otx.ot.stopping import Stopping
from tests import oracles

TAUS = [BALANCED, (0.5, 0.5), (math.inf, 0.3), (0.3, math.inf)]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of three rows or so: seams where the tests can see them."""
    monkeypatch.setattr("otx.ot.solvers.tiled.TILE", 40)


def _sides(
    seed: int = 0, n: int = 17, m: int = 13, batch: int = 2, dtype: Any = torch.float64
) -> Any:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, n, 5, generator=generator, dtype=dtype)
    y = torch.randn(batch, m, 5, generator=generator, dtype=dtype) + 0.5
    a, b = (torch.rand(batch, k, generator=generator, dtype=dtype) + 0.1 for k in (n, m))
    # One problem is shorter than the other, and its padding is anything but 0.
    a[1, -4:], b[1, :3] = 0, 0
    x[1, -4:], y[1, :3] = torch.nan, torch.inf
    return x, y, a / a.sum(1, keepdim=True), b / b.sum(1, keepdim=True)


def _solved(
    x: Any,
    y: Any,
    a: Any,
    b: Any,
    cost: Any = cosine,
    epsilon: float = 0.1,
    tau: Any = BALANCED,
    symmetric: bool = False,
    limit: int = 2000,
) -> Any:
    problem = PointCloudProblem(
        x, y, a, b, cost=cost, epsilon=epsilon, tau=tau, symmetric=symmetric
    )
    return solve_tiled(problem, Stopping(1e-10, limit))


def _pot_plan(cost: Any, a: Any, b: Any, epsilon: float, tau: Any) -> Any:
    if tau == BALANCED:
        plan = ot.sinkhorn(
            a, b, cost, epsilon, method="sinkhorn_log", stopThr=1e-13, numItermax=100_000
        )
        return oracles.balanced(plan, a, b, tolerance=1e-8)
    plan = ot.unbalanced.sinkhorn_unbalanced(
        a, b, cost, epsilon, tau, reg_type="kl", c=a[:, None] * b[None], stopThr=1e-14, numItermax=100_000,
    )  # fmt: skip
    return oracles.relaxed(plan, a, b, cost, epsilon, tau, tolerance=1e-8)


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("tau", TAUS)
def test_plans_equal_pot(name: str, tau: Any) -> None:
    x, y, a, b = _sides()
    cost, epsilon = COSTS[name], 0.5
    found = _solved(x, y, a, b, cost, epsilon, tau)
    assert bool(found.converged.all())
    for row in range(2):
        rows, columns = a[row] > 0, b[row] > 0
        matrix = cost(x[row, rows][None], y[row, columns][None])[0].numpy()
        p, q = a[row, rows].numpy(), b[row, columns].numpy()
        theirs = torch.from_numpy(_pot_plan(matrix, p, q, epsilon, tau))
        assert torch.allclose(found.plan[row][rows][:, columns], theirs, atol=1e-8)
        assert found.mass[row].item() == pytest.approx(theirs.sum().item(), abs=1e-8)
        outside = found.plan[row][~rows].sum() + found.plan[row][:, ~columns].sum()
        assert outside.item() == 0


@pytest.mark.parametrize("tau", TAUS)
def test_the_value_is_that_of_the_primal_objective(tau: Any) -> None:
    x, y, a, b = _sides()
    found = _solved(x, y, a, b, tau=tau)
    for row in range(2):
        rows, columns = a[row] > 0, b[row] > 0
        plan, p, q = found.plan[row][rows][:, columns], a[row, rows], b[row, columns]
        primal = (plan * cosine(x[row, rows][None], y[row, columns][None])[0]).sum()
        primal += 0.1 * _kl(plan, p[:, None] * q)
        for strength, marginal, mass in ((tau[0], plan.sum(1), p), (tau[1], plan.sum(0), q)):
            primal += 0 if math.isinf(strength) else strength * _kl(marginal, mass)
        assert found.value[row].item() == pytest.approx(primal.item(), abs=1e-8)


def _kl(p: Any, q: Any) -> Any:
    return (p * (p / q).log() - p + q).sum()


@pytest.mark.parametrize("tau", TAUS)
def test_gradients_equal_finite_differences(tau: Any) -> None:
    x, y, a, b = _sides(n=7, m=6)
    x, y = x.nan_to_num(0, 0, 0), y.nan_to_num(0, 0, 0)
    inputs = [tensor.requires_grad_() for tensor in (x, y)]

    def value(x: Any, y: Any) -> Any:
        return _solved(x, y, a, b, euclidean, 0.3, tau).value

    assert torch.autograd.gradcheck(value, inputs, eps=1e-5, atol=1e-5, fast_mode=True)


def test_padding_gets_a_gradient_of_exactly_zero() -> None:
    x, y, a, b = _sides()
    inputs = [tensor.requires_grad_() for tensor in (x, y, a, b)]
    pulls = torch.autograd.grad(_solved(*inputs).value.sum(), inputs)
    assert all(bool(pull.isfinite().all()) for pull in pulls)
    assert bool((pulls[0][1, -4:] == 0).all() and (pulls[1][1, :3] == 0).all())
    assert bool((pulls[2][1, -4:] == 0).all() and (pulls[3][1, :3] == 0).all())


def test_masses_get_the_slope_of_the_value() -> None:
    x, y, a, b = _sides(batch=2)
    direction = torch.randn(a.shape, generator=torch.Generator().manual_seed(1)).double() * a
    # Along a direction that keeps the total: balanced sides must stay of one mass.
    direction -= a * direction.sum(1, keepdim=True)
    leaf = a.clone().requires_grad_()
    (slope,) = torch.autograd.grad(_solved(x, y, leaf, b).value.sum(), leaf)
    step = 1e-5
    moved = [_solved(x, y, a + sign * step * direction, b).value.sum() for sign in (1, -1)]
    difference = (moved[0] - moved[1]) / (2 * step)
    assert (slope * direction).sum().item() == pytest.approx(difference.item(), abs=1e-6)


@pytest.mark.parametrize("name", COSTS)
def test_a_side_against_itself_takes_fewer_iterations_to_the_same_value(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "otx.ot.solvers.tiled.TILE", 200
    )  # thousands of iterations: two tiles each, not nine
    x, _, a, _ = _sides()
    cost = COSTS[name]
    quick = _solved(x, x, a, a, cost, 0.5, symmetric=True)
    slow = _solved(x, x, a, a, cost, 0.5)
    assert bool(quick.converged.all())
    assert torch.allclose(quick.value, slow.value, atol=1e-8)
    assert quick.iterations.sum() <= slow.iterations.sum()


def test_the_cost_never_stands_whole() -> None:
    seen = []

    def watched(x: Any, y: Any) -> Any:
        seen.append(x.shape[1] * y.shape[1])
        return cosine(x, y)

    x, y, a, b = _sides()
    _solved(x.requires_grad_(), y, a, b, watched).value.sum().backward()
    assert max(seen) <= 40
    assert 17 * 13 > 5 * 40


def test_a_problem_that_needs_more_iterations_says_so() -> None:
    x, y, a, b = _sides()
    found = _solved(x, y, a, b, epsilon=0.001, limit=13)
    assert not bool(found.converged.any())
    assert found.iterations.tolist() == [13, 13]
    errors = (found.plan.sum(1) - b).abs().sum(1) + (found.plan.sum(2) - a).abs().sum(1)
    assert torch.allclose(found.marginal_error, errors, atol=1e-9)


def test_a_vector_that_is_not_finite_is_named_by_its_problem() -> None:
    x, y, a, b = _sides()
    x[1, 2, 0] = torch.nan
    with pytest.raises(ProblemError, match=r"problem 1: a cost .* is not finite"):
        _solved(x, y, a, b)
