"""The kernel that computes its cost on chip, against the one that is given it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.ot.costs.ground import cosine
from otx.ot.kernels.on_chip import solve_cosine, solve_on_chip
from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem
from otx.ot.stopping import Stopping

TOLERANCE = 1e-4


def _sides(batch: Any, length: Any, dimensions: Any, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, length, dimensions, generator=generator)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    mask = torch.arange(length) < lengths
    return vectors.masked_fill(~mask[:, :, None], 0), mask / lengths


def _points(x: Any, y: Any, a: Any, b: Any, epsilon: float = 0.1, tau: Any = BALANCED) -> Any:
    return PointCloudProblem(x, y, a, b, cost=cosine, epsilon=epsilon, tau=tau)


@pytest.mark.parametrize("dimensions", [3, 32, 70])
@pytest.mark.parametrize("tau", [BALANCED, (0.2, 0.5)])
def test_pairs_equal_the_kernel_that_is_given_the_cost(
    interpreted: Any, dimensions: int, tau: Any
) -> None:
    (x, a), (y, b) = _sides(3, 7, dimensions), _sides(3, 20, dimensions, 1)
    problem = validate(Problem(cosine(x, y), a, b, epsilon=0.1, tau=tau))
    wanted = interpreted(solve_on_chip, problem, Stopping(TOLERANCE, 500))
    solved = interpreted(solve_cosine, _points(x, y, a, b, tau=tau), Stopping(TOLERANCE, 500))
    assert (solved.error <= TOLERANCE).all()
    assert torch.equal(solved.steps, wanted.steps)
    assert torch.allclose(solved.u, wanted.u, atol=1e-4)
    assert torch.allclose(solved.v, wanted.v, atol=1e-4)


def test_the_grid_is_all_pairs_of_unequal_numbers(interpreted: Any) -> None:
    (x, a), (y, b) = _sides(3, 6, 16), _sides(2, 9, 16, 1)
    grid = interpreted(solve_cosine, _points(x, y, a, b), pairwise=True)
    assert grid.u.shape == (3, 2, 6)
    assert grid.v.shape == (3, 2, 9)
    for j in range(2):
        paired = interpreted(solve_cosine, _points(x, y[j].expand(3, 9, 16), a, b[j].expand(3, 9)))
        assert torch.equal(grid.steps[:, j], paired.steps)
        assert torch.equal(grid.u[:, j], paired.u)
        assert torch.equal(grid.v[:, j], paired.v)


def test_half_precision_is_that_of_the_vectors_alone(interpreted: Any) -> None:
    (x, a), (y, b) = _sides(2, 8, 40), _sides(2, 8, 40, 1)
    x, y = x.bfloat16(), y.bfloat16()
    half = interpreted(solve_cosine, _points(x, y, a, b))
    full = interpreted(solve_cosine, _points(x.float(), y.float(), a, b))
    assert torch.allclose(half.v, full.v, atol=1e-4)


def test_a_zero_vector_is_at_one_from_everything(interpreted: Any) -> None:
    (x, _), (y, _) = _sides(1, 4, 8), _sides(1, 5, 8, 1)
    x[0, 2] = 0
    a, b = torch.full((1, 4), 1 / 4), torch.full((1, 5), 1 / 5)
    problem = validate(Problem(cosine(x, y), a, b, epsilon=0.2))
    solved = interpreted(solve_cosine, _points(x, y, a, b, epsilon=0.2))
    assert torch.allclose(
        solved.v, interpreted(solve_on_chip, problem, Stopping(TOLERANCE, 99)).v, atol=1e-4
    )
