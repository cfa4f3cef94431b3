from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from otx.ot.costs.ground import (
    COSTS,
    cosine,
    dot,
    euclidean,
    half_squared_euclidean,
    squared_euclidean,
)


def _vectors(dtype: Any = torch.float64) -> Any:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 6, generator=generator, dtype=dtype)
    return x, torch.randn(2, 3, 6, generator=generator, dtype=dtype)


def test_costs_are_what_their_names_say() -> None:
    x, y = _vectors()
    for i, j, k in np.ndindex(2, 4, 3):
        p, q = x[i, j].numpy(), y[i, k].numpy()
        distance = np.sqrt(((p - q) ** 2).sum())
        angle = p @ q / np.sqrt((p @ p) * (q @ q))
        assert cosine(x, y)[i, j, k].item() == pytest.approx(1 - angle)
        assert euclidean(x, y)[i, j, k].item() == pytest.approx(distance)
        assert half_squared_euclidean(x, y)[i, j, k].item() == pytest.approx(distance**2 / 2)
        assert squared_euclidean(x, y)[i, j, k].item() == pytest.approx(distance**2)
        assert dot(x, y)[i, j, k].item() == pytest.approx(-(p @ q))


def test_the_names_of_the_costs() -> None:
    assert {
        "cosine": cosine,
        "euclidean": euclidean,
        "squared-euclidean": squared_euclidean,
        "half-squared-euclidean": half_squared_euclidean,
        "dot": dot,
    } == COSTS


@pytest.mark.parametrize("name", list(COSTS))
def test_gradients_equal_finite_differences(name: str) -> None:
    x, y = (vectors.requires_grad_() for vectors in _vectors())
    assert torch.autograd.gradcheck(COSTS[name], (x, y))


@pytest.mark.parametrize("name", list(COSTS))
def test_gradients_are_finite_at_coincident_points_and_at_zero(name: str) -> None:
    x = _vectors(torch.float32)[0]
    x[:, 1] = 0
    y = x[:, :3].clone()
    x.requires_grad_(), y.requires_grad_()
    cost = COSTS[name](x, y)
    cost.sum().backward()
    assert cost.isfinite().all()
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() < 100
    assert y.grad.isfinite().all()


@pytest.mark.parametrize("name", ["euclidean", "squared-euclidean", "half-squared-euclidean"])
def test_equal_words_are_at_zero_however_long_their_vectors(name: str) -> None:
    x = _vectors(torch.float32)[0] + 1000
    assert (COSTS[name](x, x).diagonal(dim1=1, dim2=2) == 0).all()
    assert (cosine(x, x).diagonal(dim1=1, dim2=2).abs() < 1e-6).all()


@pytest.mark.parametrize("name", list(COSTS))
def test_autocast_and_half_precision_are_raised(name: str) -> None:
    x, y = _vectors(torch.float32)
    expected = COSTS[name](x, y)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(COSTS[name](x, y), expected)
        half = COSTS[name](x.bfloat16(), y.bfloat16())
    assert half.dtype == torch.float32
    exact = COSTS[name](x.bfloat16().double(), y.bfloat16().double())
    assert torch.allclose(half.double(), exact, atol=1e-5)
