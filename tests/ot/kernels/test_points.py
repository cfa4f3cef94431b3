"""The kernels that compute their costs on chip, against autograd through costs in memory, in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from otx.ot.costs.ground import cosine, dot, euclidean, half_squared_euclidean, squared_euclidean
from otx.ot.kernels.on_chip import COST_CODES, pull_points, solve_points
from otx.ot.problems.problem import BALANCED, PointCloudProblem
from otx.ot.solvers.solve import solve_with_torch
from otx.ot.stopping import Stopping

EPSILONS = {
    cosine: 0.1, dot: 1.0, euclidean: 0.5, squared_euclidean: 3.0, half_squared_euclidean: 1.0
}  # fmt: skip
STOPPING = Stopping(1e-6, 300)


def _sides(batch: Any, length: Any, dimensions: Any, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, length, dimensions, generator=generator)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    mask = torch.arange(length) < lengths
    return vectors.masked_fill(~mask[:, :, None], torch.nan), mask / lengths


def _points(x: Any, y: Any, a: Any, b: Any, cost: Any = cosine, tau: Any = BALANCED) -> Any:
    return PointCloudProblem(x, y, a, b, cost=cost, epsilon=EPSILONS[cost], tau=tau)


def _exactly(problem: Any, weights: Any) -> Any:
    """The float64 solution of a problem, and the gradients of its points for the values' weights."""
    masses = problem.a, problem.b
    x, y = (
        side.double().masked_fill((mass == 0)[:, :, None], 0).requires_grad_()
        for side, mass in zip((problem.x, problem.y), masses, strict=True)
    )
    exact = solve_with_torch(
        replace(problem, x=x, y=y, a=problem.a.double(), b=problem.b.double()).to_problem(),
        Stopping(1e-10, 1000),
        None,
    )
    assert bool(exact.converged.all())
    return exact, torch.autograd.grad((exact.value * weights).sum(), (x, y))


def _near(ours: Any, wanted: Any) -> None:
    scale = wanted.abs().max().clamp_min(1e-3)
    torch.testing.assert_close(ours.double() / scale, wanted.double() / scale, atol=3e-5, rtol=0)


@pytest.mark.parametrize(
    ("cost", "tau"),
    [*((cost, BALANCED) for cost in COST_CODES), (cosine, (0.5, 2.0)), (euclidean, (0.5, 2.0))],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_pairs(interpreted: Any, cost: Any, tau: Any) -> None:
    (x, a), (y, b) = _sides(3, 7, 35), _sides(3, 18, 35, 1)
    problem = _points(x, y, a, b, cost, tuple(EPSILONS[cost] * 10 * price for price in tau))
    weights = torch.tensor([1.0, -2.0, 0.5])
    exact, wanted = _exactly(problem, weights)
    solved = interpreted(solve_points, problem, STOPPING)
    assert bool(solved.converged.all())
    assert bool((solved.error <= 1e-6).all())
    _near(solved.value, exact.value)
    _near(solved.f, exact.f)
    _near(solved.g, exact.g)
    for ours, theirs in zip(
        interpreted(pull_points, problem, solved, weights), wanted, strict=True
    ):
        _near(ours, theirs)


@pytest.mark.parametrize(
    ("cost", "longer"),
    list(zip(COST_CODES, ["source", "target", "target", "source", "source"], strict=True)),
    ids=lambda value: getattr(value, "__name__", value),
)
def test_pairs_and_each_side_with_itself(interpreted: Any, cost: Any, longer: str) -> None:
    (x, a), (y, b) = _sides(2, 17, 6), _sides(2, 5, 6, 1)
    if longer == "target":
        x, y, a, b = y, x, b, a
    price = EPSILONS[cost] * 10
    problem = _points(x, y, a, b, cost, (price, price))
    solved = interpreted(solve_points, problem, STOPPING, sides=True)
    assert solved.value.shape == (3, 2)
    assert bool(solved.converged.all())
    weights = torch.tensor([[1.0, 2.0], [-0.5, -1.0], [0.25, 3.0]])
    parts = [problem, replace(problem, y=x, b=a), replace(problem, x=y, a=b)]
    pulls = []
    for kind, part in enumerate(parts):
        exact, pull = _exactly(part, weights[kind])
        pulls.append(pull)
        _near(solved.value[kind], exact.value)
        _near(solved.f[kind, :, : part.a.shape[1]], exact.f)
        _near(solved.g[kind, :, : part.b.shape[1]], exact.g)
    (to_x, to_y), left, right = pulls
    ours = interpreted(pull_points, problem, solved, weights, sides=True)
    _near(ours[0], to_x + left[0] + left[1])
    _near(ours[1], to_y + right[0] + right[1])


def test_a_side_with_itself_takes_few_iterations(interpreted: Any) -> None:
    """Alternating updates, which its cross problem gets, do not end within the limit."""
    x, a = (
        torch.randn(1, 20, 12, generator=torch.Generator().manual_seed(0)),
        torch.full((1, 20), 0.05),
    )
    problem = _points(x, x, a, a)
    averaged = interpreted(solve_points, replace(problem, symmetric=True), STOPPING)
    alternating = interpreted(solve_points, problem, STOPPING)
    assert averaged.iterations.item() < 15
    assert alternating.iterations.item() > 4 * averaged.iterations.item()


def test_the_grid_is_all_pairs_of_unequal_numbers(interpreted: Any) -> None:
    (x, a), (y, b) = _sides(3, 6, 16), _sides(2, 9, 16, 1)
    grid = interpreted(solve_points, _points(x, y, a, b), STOPPING, grid=True)
    for j in range(2):
        one = _points(x, y[j].expand(3, 9, 16), a, b[j].expand(3, 9))
        paired = interpreted(solve_points, one, STOPPING)
        assert torch.equal(grid.iterations[j::2], paired.iterations)
        assert torch.equal(grid.f[j::2], paired.f)
        assert torch.equal(grid.log_q[j::2], paired.log_q)


def test_half_precision_is_that_of_the_vectors_alone(interpreted: Any) -> None:
    (x, a), (y, b) = _sides(2, 8, 40), _sides(2, 8, 40, 1)
    x, y = x.bfloat16(), y.bfloat16()
    half = interpreted(solve_points, _points(x, y, a, b), STOPPING)
    full = interpreted(solve_points, _points(x.float(), y.float(), a, b), STOPPING)
    assert torch.allclose(half.g, full.g, atol=1e-5)


@pytest.mark.parametrize("cost", [cosine, euclidean])
def test_vectors_of_zeros_and_equal_vectors_have_a_finite_gradient(
    interpreted: Any, cost: Any
) -> None:
    (x, _), (y, _) = _sides(1, 4, 8, 3), _sides(1, 5, 8, 4)
    x, y = x.nan_to_num(1), y.nan_to_num(2)
    x[0, 2], y[0, 1] = 0, x[0, 0]
    a, b = torch.full((1, 4), 1 / 4), torch.full((1, 5), 1 / 5)
    problem = _points(x, y, a, b, cost)
    _, wanted = _exactly(problem, torch.ones(1))
    solved = interpreted(solve_points, problem, STOPPING)
    for ours, theirs in zip(
        interpreted(pull_points, problem, solved, torch.ones(1)), wanted, strict=True
    ):
        _near(ours, theirs)
