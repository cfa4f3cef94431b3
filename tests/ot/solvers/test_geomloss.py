from __future__ import annotations

from typing import Any

import pytest
import torch
from geomloss import SamplesLoss

from otx.errors import ProblemError
from otx.ot.costs.ground import half_squared_euclidean
from otx.ot.problems.masses import uniform
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.geomloss import geomloss_divergence

LENGTHS = [(12, 9), (5, 2), (1, 1), (7, 9), (3, 4), (1, 6)]


def _batch(scale: Any, dtype: Any) -> Any:
    """Ragged sides whose padding is full of numbers that must not count."""
    generator = torch.Generator().manual_seed(0)
    x, y = (scale * torch.randn(6, n, 8, generator=generator, dtype=dtype) for n in (12, 9))
    of_x, of_y = torch.tensor(LENGTHS).T
    x_mask, y_mask = torch.arange(12) < of_x[:, None], torch.arange(9) < of_y[:, None]
    x[~x_mask] *= 7
    return x.requires_grad_(), y.requires_grad_(), x_mask, y_mask


def _loop_of_geomloss(x: Any, y: Any, blur: Any, scaling: Any) -> Any:
    """Values, and gradients by x and y, of each problem alone."""
    loss = SamplesLoss("sinkhorn", p=2, blur=blur, scaling=scaling, backend="tensorized")
    for i, (n, m) in enumerate(LENGTHS):
        sides = [s[i, :k].detach().requires_grad_() for s, k in ((x, n), (y, m))]
        value = loss(*sides)
        yield value.item(), *torch.autograd.grad(value, sides)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.003, 0.1, 1.0, 10.0])
@pytest.mark.parametrize(("blur", "scaling"), [(0.05, 0.5), (0.01, 0.9)])
def test_a_ragged_batch_equals_a_loop_of_geomloss(
    dtype: Any, scale: float, blur: float, scaling: float
) -> None:
    x, y, x_mask, y_mask = _batch(scale, dtype)
    a, b = uniform(x_mask).to(dtype), uniform(y_mask).to(dtype)
    result = geomloss_divergence(x, y, a, b, blur=blur, scaling=scaling)
    by_x, by_y = torch.autograd.grad(result.value.sum(), (x, y))
    assert (by_x[~x_mask] == 0).all()
    assert (by_y[~y_mask] == 0).all()
    # In float32 GeomLoss itself is off by more than 1e-4 where costs are large against blur ** 2.
    exact = _loop_of_geomloss(x.double(), y.double(), blur, scaling)
    for i, ((n, m), (value, to_x, to_y)) in enumerate(zip(LENGTHS, exact, strict=True)):
        assert result.value[i].item() == pytest.approx(value, rel=1e-6, abs=1e-6)
        assert torch.allclose(by_x[i, :n].double(), to_x, atol=1e-4)
        assert torch.allclose(by_y[i, :m].double(), to_y, atol=1e-4)


@pytest.mark.parametrize("scale", [0.003, 0.1])
def test_float32_equals_geomloss_in_float32(scale: float) -> None:
    x, y, x_mask, y_mask = _batch(scale, torch.float32)
    result = geomloss_divergence(x, y, uniform(x_mask), uniform(y_mask))
    by_x, by_y = torch.autograd.grad(result.value.sum(), (x, y))
    theirs = _loop_of_geomloss(x, y, 0.05, 0.5)
    for i, ((n, m), (value, to_x, to_y)) in enumerate(zip(LENGTHS, theirs, strict=True)):
        assert result.value[i].item() == pytest.approx(value, abs=1e-4)
        assert torch.allclose(by_x[i, :n], to_x, atol=1e-4)
        assert torch.allclose(by_y[i, :m], to_y, atol=1e-4)


def test_weighted_words_and_their_gradient_equal_geomloss() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (5, 7))
    a, b = (torch.rand(n, generator=generator, dtype=torch.float64) + 0.1 for n in (5, 7))
    a, b = (a / a.sum()).requires_grad_(), (b / b.sum()).requires_grad_()
    ours = geomloss_divergence(x[None], y[None], a[None], b[None]).value.sum()
    theirs = SamplesLoss("sinkhorn", backend="tensorized")(a, x, b, y)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-8)
    for mine, other in zip(
        torch.autograd.grad(ours, (a, b)), torch.autograd.grad(theirs, (a, b)), strict=True
    ):
        assert torch.allclose(mine, other, atol=1e-8)


def test_it_reports_the_error_that_it_leaves() -> None:
    x, y, _, _ = _batch(1.0, torch.float64)
    mass = [torch.full((6, n), 1 / n, dtype=torch.float64) for n in (12, 9)]
    rough = geomloss_divergence(x, y, *mass).cross
    cost = half_squared_euclidean(x, y).detach()
    plan = torch.exp((rough.f[:, :, None] + rough.g[:, None] - cost) / 0.05**2) / 12 / 9
    error = (plan.sum(2) - mass[0]).abs().sum(1) + (plan.sum(1) - mass[1]).abs().sum(1)
    assert torch.allclose(rough.marginal_error, error)
    assert torch.allclose(rough.mass, plan.sum((1, 2)))
    assert (error > 0.1).any()
    assert not rough.converged[error > 0.1].any()


def test_a_slow_annealing_nears_the_divergence() -> None:
    x, y, x_mask, y_mask = _batch(0.3, torch.float64)
    a, b = uniform(x_mask).double(), uniform(y_mask).double()
    exact = divergence(x, y, a, b, cost=half_squared_euclidean, epsilon=0.09).value
    slow = geomloss_divergence(x, y, a, b, blur=0.3, scaling=0.99).value
    assert torch.allclose(slow, exact, atol=1e-3)


def test_coincident_words_are_at_zero() -> None:
    x = torch.ones(1, 3, 4).requires_grad_()
    mass = torch.full((1, 3), 1 / 3)
    result = geomloss_divergence(x, torch.ones(1, 3, 4), mass, mass)
    result.value.sum().backward()
    assert result.value.item() == 0
    assert (x.grad == 0).all()


@pytest.mark.parametrize(("blur", "scaling"), [(0.0, 0.5), (0.05, 1.0), (0.05, 0.0)])
def test_an_impossible_schedule_is_refused(blur: float, scaling: float) -> None:
    x, mass = torch.randn(1, 3, 4), torch.full((1, 3), 1 / 3)
    with pytest.raises(ProblemError, match="blur is"):
        geomloss_divergence(x, x, mass, mass, blur=blur, scaling=scaling)


def test_a_vector_that_is_not_finite_is_refused() -> None:
    x, mass = torch.randn(2, 3, 4), torch.full((2, 3), 1 / 3)
    x[1, 0, 0] = torch.nan
    with pytest.raises(ProblemError, match="problem 1"):
        geomloss_divergence(x, torch.randn(2, 3, 4), mass, mass)
