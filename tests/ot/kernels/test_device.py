"""What only a GPU shows: compiled kernels, bfloat16 vectors, and solvers that take them by themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.ot.costs.ground import cosine
from otx.ot.kernels import is_available
from otx.ot.kernels.on_chip import solve_cosine, solve_on_chip
from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.stopping import Stopping

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or not is_available(torch.empty(0, device="cuda")),
    reason="no NVIDIA GPU with triton",
)
TOLERANCE = 1e-4


def _sides(batch: Any, length: Any, seed: int, dtype: Any = torch.float32) -> Any:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, length, 256, generator=generator)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    return vectors.to("cuda", dtype), ((torch.arange(length) < lengths) / lengths).cuda()


def _error(problem: Any, v: Any) -> Any:
    v = v.double()
    plan = problem.plan(problem.rows(v), v)
    return (plan.sum(1) - problem.column_target(v)).abs().sum(1)


@pytest.mark.parametrize("length", [12, 64, 128])
@pytest.mark.parametrize("tau", [BALANCED, (0.1, 0.3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_kernels_reach_what_they_report(length: int, tau: Any, dtype: Any) -> None:
    (x, a), (y, b) = _sides(40, length, 0, dtype), _sides(40, length, 1, dtype)
    problem = validate(Problem(cosine(x, y), a, b, epsilon=0.05, tau=tau))
    points = PointCloudProblem(x, y, a, b, cost=cosine, epsilon=0.05, tau=tau)
    for solved in (
        solve_on_chip(problem, Stopping(TOLERANCE, 2000)),
        solve_cosine(points, Stopping(TOLERANCE, 2000)),
    ):
        assert (solved.error <= TOLERANCE).all()
        assert (_error(problem, solved.v) <= 1.5 * TOLERANCE).all()


def test_the_grid_is_all_pairs() -> None:
    (x, a), (y, b) = _sides(5, 20, 0), _sides(7, 30, 1)
    points = PointCloudProblem(x, y, a, b, cost=cosine, epsilon=0.05)
    grid = solve_cosine(points, pairwise=True)
    for j in range(7):
        problem = validate(
            Problem(cosine(x, y[j].expand(5, -1, -1)), a, b[j].expand(5, -1), epsilon=0.05)
        )
        assert (_error(problem, grid.v[:, j]) <= 1.5 * TOLERANCE).all()


def test_sinkhorn_is_the_same_as_on_the_cpu() -> None:
    (x, a), (y, b) = _sides(8, 40, 0), _sides(8, 30, 1)
    there = sinkhorn(cosine(x, y), a, b, epsilon=0.05)
    here = sinkhorn(cosine(x.cpu(), y.cpu()), a.cpu(), b.cpu(), epsilon=0.05)
    assert bool(there.converged.all())
    assert torch.allclose(there.value.cpu(), here.value, atol=1e-5)
