from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.ot.costs.ground import cosine
from otx.ot.costs.transforms import add_null_word, equidistant_direction, min_max_scale
from otx.ot.solvers.partial import partial_transport

SEEDS = st.integers(0, 2**31)


def _problem(seed: int, n: int = 4, m: int = 5, padding: int = 2) -> Any:
    """Two equal problems, the second padded in front and behind with what must not count."""
    rng = np.random.default_rng(seed)
    core = torch.tensor(rng.random((n, m)))
    cost = torch.full((2, n + padding, m + padding), torch.nan).double()
    first, second = torch.zeros(2, n + padding).bool(), torch.zeros(2, m + padding).bool()
    cost[0, :n, :m], cost[1, 1 : n + 1, 1 : m + 1] = core, core
    first[0, :n], first[1, 1 : n + 1] = True, True
    second[0, :m], second[1, 1 : m + 1] = True, True
    return core, cost, first, second


@given(SEEDS)
def test_scaling_fills_0_to_1_and_is_a_constant_to_the_gradient(seed: int) -> None:
    core, cost, first, second = _problem(seed)
    cost.requires_grad_()
    found = min_max_scale(cost, first, second)
    n, m = core.shape
    width = core.max() - core.min()
    np.testing.assert_allclose(found[0, :n, :m].detach(), (core - core.min()) / width, atol=1e-12)
    np.testing.assert_allclose(found[1, 1 : n + 1, 1 : m + 1].detach(), found[0, :n, :m].detach())
    found.sum().backward()
    np.testing.assert_allclose(cost.grad[0, :n, :m], np.full((n, m), 1 / width))
    assert cost.grad[0, n:].abs().sum() == 0 == cost.grad[1, 0].abs().sum()
    one = torch.ones(1, 1).bool()
    assert min_max_scale(torch.tensor([[[3.0]]]), one, one).item() == 0


@given(SEEDS, st.integers(1, 6))
def test_the_equidistant_direction_has_one_cosine_to_all(seed: int, count: Any) -> None:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(1, count + 1, 9, generator=generator, dtype=torch.float64)
    mask = torch.ones(1, count + 1).bool()
    mask[0, -1] = False
    point = equidistant_direction(vectors, mask)
    cosines = 1 - cosine(point[:, None], vectors)[0, 0, :count]
    assert cosines.min() > 0
    np.testing.assert_allclose(cosines, cosines[0].repeat(count), atol=1e-9)


def test_a_word_that_resembles_nothing_goes_to_the_null_word() -> None:
    cost = torch.tensor([[[0.0, 1.0, 9.0], [1.0, 0.1, 9.0], [1.0, 1.0, 9.0]]])
    first, b = torch.ones(1, 3).bool(), torch.tensor([[0.5, 0.5, 0.0]])
    null = add_null_word(cost, first, b, price=torch.tensor([[0.2, 0.95, 0.2]]))
    # The median of 0, 0.1, 1, 1, 1, 1 is 1, and no price is below it.
    assert null.cost[0, :, 3].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert null.b.tolist() == [[0.5, 0.5, 0.0, 1.0]]
    a = torch.full((1, 3), 1 / 3)
    dear = torch.tensor([[0.0, 0.0, 0.0]])
    null = add_null_word(cost.clone().index_fill_(1, torch.tensor([2]), 3.0), first, b, price=dear)
    plan = partial_transport(null.cost, a, null.b, epsilon=0.02, mass=1.0).plan[0]
    assert plan[:, 3].tolist() == pytest.approx([0, 0, 1 / 3], abs=1e-3)
    assert plan[0, 0].item() == pytest.approx(1 / 3, abs=1e-3)
