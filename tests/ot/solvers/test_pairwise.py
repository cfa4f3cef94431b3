from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.errors import ProblemError
from otx.ot.costs.ground import COSTS, cosine, euclidean
from otx.ot.problems.problem import BALANCED
from otx.ot.solvers.pairwise import pairwise_sinkhorn
from otx.ot.solvers.point_cloud import transport_between_points

TAUS = [BALANCED, (0.5, 0.5), (math.inf, 0.3)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two sentences or so."""
    monkeypatch.setattr("otx.ot.solvers.pairwise.BLOCK", 300)


def _side(batch: Any, length: Any, seed: int, dtype: Any = torch.float32) -> Any:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, length, 5, generator=generator, dtype=dtype)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    mask = torch.arange(length) < lengths
    mass = torch.rand(batch, length, generator=generator, dtype=dtype).masked_fill(~mask, 0)
    return vectors.masked_fill(~mask[:, :, None], torch.nan), mass / mass.sum(1, keepdim=True)


def _one_by_one(x: Any, y: Any, a: Any, b: Any, **options: Any) -> Any:
    """Every pair by itself, without its padding."""
    for s in range(len(x)):
        for t in range(len(y)):
            rows, columns = a[s] > 0, b[t] > 0
            solved = transport_between_points(
                x[s, rows][None], y[t, columns][None], a[s, rows][None], b[t, columns][None],
                **options,
            )  # fmt: skip
            yield s, t, rows, columns, solved


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("tau", TAUS)
def test_it_is_every_pair_by_itself(name: str, tau: Any) -> None:
    (x, a), (y, b) = _side(5, 6, 0), _side(3, 8, 1)
    options = {"cost": COSTS[name], "epsilon": 0.4, "tau": tau, "tolerance": 1e-7}
    found = pairwise_sinkhorn(x, y, a, b, **options)
    assert found.value.shape == found.converged.shape == (5, 3)
    assert found.plan.shape == (5, 3, 6, 8)
    assert bool(found.converged.all())
    for s, t, rows, columns, alone in _one_by_one(x, y, a, b, **options):
        assert found.value[s, t].item() == pytest.approx(alone.value.item(), abs=2e-6, rel=1e-6)
        plan = found.plan[s, t]
        assert torch.allclose(plan[rows][:, columns], alone.plan[0], atol=2e-6)
        assert plan[~rows].sum() == plan[:, ~columns].sum() == 0
        assert torch.allclose(found.f[s, t, rows], alone.f[0], atol=1e-5)
        assert found.iterations[s, t] == alone.iterations[0]


@pytest.mark.parametrize("tau", TAUS)
def test_its_gradient_is_the_sum_of_the_pairs(tau: Any) -> None:
    (x, a), (y, b) = _side(5, 6, 0), _side(3, 8, 1)
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    options = {"cost": euclidean, "epsilon": 0.4, "tau": tau, "tolerance": 1e-7}
    inputs = [tensor.clone().requires_grad_() for tensor in (x, y, a, b)]
    found = torch.autograd.grad(
        (weights * pairwise_sinkhorn(*inputs, **options).value).sum(), inputs
    )
    alone = [tensor.clone().requires_grad_() for tensor in (x, y, a, b)]
    total = sum(
        weights[s, t] * solved.value[0] for s, t, _, _, solved in _one_by_one(*alone, **options)
    )
    expected = torch.autograd.grad(total, alone)
    for one, other, tensor in zip(found, expected, inputs, strict=True):
        assert bool(one.isfinite().all())
        assert torch.allclose(one, other.nan_to_num(0), atol=1e-5)
        assert bool((one[(tensor.isnan()) | (tensor == 0)] == 0).all())


def test_finite_differences() -> None:
    (x, a), (y, b) = _side(2, 3, 0, torch.float64), _side(2, 4, 1, torch.float64)
    x, y = (side.nan_to_num(0).requires_grad_() for side in (x, y))

    def values(x: Any, y: Any) -> Any:
        return pairwise_sinkhorn(x, y, a, b, cost=cosine, epsilon=0.3, tolerance=1e-11).value

    assert torch.autograd.gradcheck(values, (x, y), eps=1e-6, atol=1e-6)


def test_costs_are_made_a_block_at_a_time() -> None:
    seen = []

    def watched(x: Any, y: Any) -> Any:
        seen.append(x.shape[1] * y.shape[1])
        return cosine(x, y)

    (x, a), (y, b) = _side(9, 6, 0), _side(3, 8, 1)
    found = pairwise_sinkhorn(x.requires_grad_(), y, a, b, cost=watched, epsilon=0.3)
    found.value.sum().backward()
    assert max(seen) <= 300 < 9 * 3 * 6 * 8


def test_an_impossible_pair_is_named() -> None:
    (x, a), (y, b) = _side(5, 6, 0), _side(3, 8, 1)
    broken = y.clone()
    broken[2, 0] = torch.nan
    with pytest.raises(ProblemError, match="problem 2: a vector of a real word is not finite"):
        pairwise_sinkhorn(x, broken, a, b, cost=cosine, epsilon=0.3)
    empty = a.clone()
    empty[3] = 0
    with pytest.raises(ProblemError, match="problem 9: the first side has no mass"):
        pairwise_sinkhorn(x, y, empty, b, cost=cosine, epsilon=0.3)
