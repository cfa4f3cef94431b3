"""What only a GPU shows: compiled kernels, bfloat16 vectors, and solvers that take them by themselves."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch

from otx.ot.costs.ground import cosine, euclidean
from otx.ot.kernels import is_available
from otx.ot.kernels.on_chip import solve_costs, solve_points
from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.stopping import Stopping

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or not is_available(torch.empty(0, device="cuda")),
    reason="no NVIDIA GPU with triton",
)
STOPPING = Stopping(1e-6, 2000)


def _sides(batch: Any, length: Any, seed: int, dtype: Any = torch.float32) -> Any:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, length, 256, generator=generator)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    return vectors.to("cuda", dtype), ((torch.arange(length) < lengths) / lengths).cuda()


def _error(problem: Any, solved: Any) -> Any:
    entropic = validate(problem)
    v = (solved.log_q - entropic.log_b).masked_fill(entropic.b == 0, 0)
    plan = entropic.plan(entropic.rows(v), v)
    return (plan.sum(1) - entropic.column_target(v)).abs().sum(1)


@pytest.mark.parametrize("length", [12, 64, 128])
@pytest.mark.parametrize("tau", [BALANCED, (0.1, 0.3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_kernels_reach_what_they_report(length: int, tau: Any, dtype: Any) -> None:
    (x, a), (y, b) = _sides(40, length, 0, dtype), _sides(40, length, 1, dtype)
    problem = Problem(cosine(x, y), a, b, epsilon=0.05, tau=tau)
    points = PointCloudProblem(x, y, a, b, cost=cosine, epsilon=0.05, tau=tau)
    for solved in (solve_costs(problem, STOPPING), solve_points(points, STOPPING)):
        assert bool(solved.converged.all())
        assert (_error(problem, solved) <= 1.1 * STOPPING.tolerance).all()


def test_the_grid_is_all_pairs() -> None:
    (x, a), (y, b) = _sides(5, 20, 0), _sides(7, 30, 1)
    points = PointCloudProblem(x, y, a, b, cost=cosine, epsilon=0.05)
    grid = solve_points(points, STOPPING, grid=True)
    for j in range(7):
        paired = solve_points(
            replace(points, y=y[j].expand(5, -1, -1), b=b[j].expand(5, -1)), STOPPING
        )
        assert torch.allclose(grid.f[j::7], paired.f, atol=1e-5)


def test_sinkhorn_is_the_same_as_on_the_cpu() -> None:
    (x, a), (y, b) = _sides(8, 40, 0), _sides(8, 30, 1)
    there = sinkhorn(cosine(x, y), a, b, epsilon=0.05)
    here = sinkhorn(cosine(x.cpu(), y.cpu()), a.cpu(), b.cpu(), epsilon=0.05)
    assert bool(there.converged.all())
    assert torch.allclose(there.value.cpu(), here.value, atol=1e-5)


@pytest.mark.parametrize("lengths", [(40, 30), (300, 200)])
@pytest.mark.parametrize("cost", [cosine, euclidean])
def test_divergences_and_gradients_are_those_of_the_cpu(lengths: Any, cost: Any) -> None:
    results = []
    for device in ("cuda", "cpu"):
        (x, a), (y, b) = (
            tuple(tensor.to(device) for tensor in _sides(4, length, seed))
            for seed, length in enumerate(lengths)
        )
        x, y = x.requires_grad_(), y.requires_grad_()
        result = divergence(x, y, a, b, cost=cost, epsilon=0.1 if cost is cosine else 1.0)
        assert bool(result.cross.converged.all() & result.left.converged.all())
        gradients = torch.autograd.grad(result.value.sum(), (x, y))
        results.append([tensor.cpu() for tensor in (result.value, *gradients)])
    for ours, wanted in zip(*results, strict=True):
        torch.testing.assert_close(ours, wanted, atol=2e-5, rtol=1e-4)


def test_a_call_waits_once() -> None:
    (x, a), (y, b) = _sides(8, 40, 0), _sides(8, 30, 1)
    points = x.requires_grad_(), y.requires_grad_()
    for _ in range(2):  # the first one compiles
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            divergence(*points, a, b, cost=cosine, epsilon=0.1).value.mean().backward()
            torch.cuda.set_sync_debug_mode("default")
    assert len(waits) == 1
