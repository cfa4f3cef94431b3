"""AdamW, its learning rate, the norm of the gradient, and a step that changes nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from otx.training.optimizer import (
    FitSettings,
    clip_gradients,
    gradient_norm,
    make_optimizer,
    schedule,
    take_step,
)

SETTINGS = FitSettings(steps=10, lr=0.1, seed=0)


def test_fused_adamw_is_the_textbook_s_in_float64() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).double()
    optimizer = make_optimizer({"layer": layer}, SETTINGS)
    first, second = 0.0, 0.0
    expected = layer.weight.detach().clone()
    for step in range(1, 5):
        gradient = torch.randn(2, 3, dtype=torch.float64)
        layer.weight.grad, layer.bias.grad = gradient.clone(), torch.zeros(2, dtype=torch.float64)
        take_step(optimizer, torch.zeros(()))
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient.square()
        expected *= 1 - 0.1 * SETTINGS.weight_decay
        root = (second / (1 - 0.999**step)).sqrt() + 1e-8
        expected -= 0.1 * (first / (1 - 0.9**step)) / root
    torch.testing.assert_close(layer.weight.detach(), expected, rtol=1e-12, atol=0)


def test_a_spoilt_step_changes_neither_weights_nor_moments() -> None:
    layer = nn.Linear(3, 2)
    optimizer = make_optimizer({"layer": layer}, SETTINGS)
    layer(torch.ones(1, 3)).sum().backward()
    take_step(optimizer, torch.zeros(()))
    before = [t.clone() for t in (layer.weight.detach(), *optimizer.state[layer.weight].values())]
    layer.weight.grad = torch.full((2, 3), math.nan)
    layer.bias.grad = torch.zeros(2)
    take_step(optimizer, torch.ones(()))
    after = [layer.weight.detach(), *optimizer.state[layer.weight].values()]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    assert layer.weight.grad is None


def test_clipping_returns_the_norm_before() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.tensor([[3.0, 4.0]])
    assert float(clip_gradients({"layer": layer}, 1.0)) == 5.0
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[0.6, 0.8]]))


def test_the_learning_rate_rises_and_falls_linearly() -> None:
    settings = FitSettings(steps=10, lr=1.0, seed=0, warmup=0.2)
    factors = [schedule(step, settings) for step in range(10)]
    assert factors == pytest.approx([0.5, 1.0, *(1 - k / 8 for k in range(8))])


@pytest.mark.parametrize("shape", [(3,), (40, 7), (300, 500)])
def test_the_gradient_s_norm_is_that_of_float64(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = [torch.randn(shape, generator=generator), torch.randn(5, generator=generator)]
    expected = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
    assert float(gradient_norm(gradients)) == pytest.approx(expected, rel=1e-7)


def test_rows_without_a_gradient_do_not_change_the_norm() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 48, generator=generator)
    table = torch.zeros(9_000, 48)
    table[torch.randperm(9_000, generator=generator)[:500].sort().values] = rows
    assert torch.equal(gradient_norm([table]), gradient_norm([rows]))
    assert float(gradient_norm([])) == 0.0
