from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.ot.solvers.univariate import wasserstein_1d
from tests import oracles
from tests.examples import examples

SEEDS = st.integers(0, 2**31)


def _measure(rng: Any, count: Any, lines: Any) -> Any:
    masses = rng.random(count) + 0.05
    return rng.normal(size=(count, lines)), masses / masses.sum()


@examples(60)
@given(SEEDS, st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_it_is_pots_distance_on_each_line(seed: int, n: int, m: int, equal: Any) -> None:
    rng = np.random.default_rng(seed)
    (x, a), (y, b) = _measure(rng, n, 3), _measure(rng, m, 3)
    if equal:
        a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    found = wasserstein_1d(*(torch.tensor(part)[None] for part in (x, y, a, b)))[0]
    for line in range(3):
        u, v = x[:, line], y[:, line]
        plan = oracles.balanced(ot.emd_1d(u, v, a, b, metric="sqeuclidean"), a, b)
        expected = (plan * (u[:, None] - v) ** 2).sum()
        assert found[line].item() == pytest.approx(expected, abs=1e-9)


def test_padding_weighs_nothing_wherever_it_lies() -> None:
    rng = np.random.default_rng(1)
    (x, a), (y, b) = _measure(rng, 4, 2), _measure(rng, 3, 2)
    alone = wasserstein_1d(*(torch.tensor(part)[None] for part in (x, y, a, b)))
    x = torch.tensor(np.concatenate((x, [[0.0, 50.0], [-50.0, 0.1]])))[None].requires_grad_()
    a = torch.tensor(np.append(a, [0.0, 0.0]))[None]
    padded = wasserstein_1d(x, torch.tensor(y)[None], a, torch.tensor(b)[None])
    assert torch.allclose(padded, alone)
    padded.sum().backward()
    assert (x.grad[0, 4:] == 0).all() and (x.grad[0, :4] != 0).any()


def test_its_gradient_is_right() -> None:
    rng = np.random.default_rng(2)
    (x, a), (y, b) = _measure(rng, 4, 2), _measure(rng, 3, 2)
    places = [torch.tensor(side)[None].requires_grad_() for side in (x, y)]
    masses = torch.tensor(a)[None], torch.tensor(b)[None]
    assert torch.autograd.gradcheck(lambda u, v: wasserstein_1d(u, v, *masses), places)
