from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import ProblemError
from otx.ot.solvers.fused_gromov import fused_gromov
from otx.ot.solvers.sinkhorn import sinkhorn
from tests import oracles
from tests.examples import examples

SEEDS = st.integers(0, 2**31)


def _problem(seed: int, n: int, m: int) -> Any:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 4)), rng.normal(size=(m, 4))
    d, e, c = (ot.dist(*pair, metric="euclidean") for pair in ((x, x), (y, y), (x, y)))
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return c, d, e, a / a.sum(), b / b.sum()


def _tensors(problem: Any) -> Any:
    return [torch.tensor(part)[None] for part in problem]


def _solve(cost: Any, d: Any, e: Any, a: Any, b: Any, **options: Any) -> Any:
    return fused_gromov(cost, a, b, distances_a=d, distances_b=e, **options)


@examples(25)
@given(SEEDS, st.integers(1, 9), st.integers(1, 9), st.sampled_from([0.1, 0.5, 1.0]))
def test_plan_and_value_are_pot_s(seed: int, n: int, m: int, alpha: Any) -> None:
    problem = _problem(seed, n, m)
    result = _solve(
        *_tensors(problem), epsilon=2.0, alpha=alpha, tolerance=1e-9, max_iterations=500
    )
    c, d, e, a, b = problem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan, log = ot.gromov.entropic_fused_gromov_wasserstein(
            c, d, e, a, b, epsilon=2.0, alpha=alpha, max_iter=1001, tol=1e-12, log=True,
            stopThr=1e-12, numItermax=10_000,
        )  # fmt: skip
    assert bool(result.converged)
    plan = oracles.balanced(plan, a, b)
    np.testing.assert_allclose(result.plan[0], plan, atol=1e-6)
    entropy = 2.0 * (plan * np.log(plan / np.outer(a, b))).sum()
    assert result.value.item() == pytest.approx(log["fgw_dist"] + entropy, abs=1e-6)


def test_without_structure_it_is_sinkhorn() -> None:
    c, d, e, a, b = _tensors(_problem(1, 5, 7))
    result = _solve(c, d, e, a, b, epsilon=0.3, alpha=0.0)
    plain = sinkhorn(c, a, b, epsilon=0.3)
    assert torch.allclose(result.plan, plain.plan, atol=1e-6)
    assert result.value.item() == pytest.approx(plain.value.item(), abs=1e-6)


def test_equal_structures_find_each_other_whatever_their_order() -> None:
    d = _problem(2, 6, 6)[1]
    order = np.random.default_rng(0).permutation(6)
    cost = np.zeros((6, 6))
    cost[0, order.argmin()] = -1e-3  # a hint, since the product plan is a stationary point
    parts = (cost, d, d[np.ix_(order, order)], np.full(6, 1 / 6), np.full(6, 1 / 6))
    result = _solve(*_tensors(parts), epsilon=0.02, alpha=0.95, max_iterations=2_000)
    assert result.plan[0].argmax(1).tolist() == [
        int(np.flatnonzero(order == i)[0]) for i in range(6)
    ]


def test_the_gradient_is_that_of_finite_differences() -> None:
    c, d, e, a, b = _tensors(_problem(3, 4, 5))

    def value(cost: Any, first: Any, second: Any) -> Any:
        symmetric = (first + first.mT) / 2, (second + second.mT) / 2
        return _solve(
            cost, *symmetric, a, b, epsilon=1.0, alpha=0.4, tolerance=1e-11, max_iterations=2_000
        ).value

    inputs = [tensor.requires_grad_() for tensor in (c, d, e)]
    assert torch.autograd.gradcheck(value, inputs, eps=1e-5, atol=1e-4, fast_mode=True)


def test_padding_is_nothing() -> None:
    parts = _tensors(_problem(4, 4, 3))
    c, d, e, a, b = parts
    padded = [torch.full((1, n, m), torch.nan).double() for n, m in ((6, 5), (6, 6), (5, 5))]
    padded[0][0, :4, :3], padded[1][0, :4, :4], padded[2][0, :3, :3] = c[0], d[0], e[0]
    of_a, of_b = torch.zeros(1, 6).double(), torch.zeros(1, 5).double()
    of_a[0, :4], of_b[0, :3] = a[0], b[0]
    grown = [tensor.requires_grad_() for tensor in padded]
    result = _solve(*grown, of_a, of_b, epsilon=1.0, alpha=0.5)
    alone = _solve(*parts, epsilon=1.0, alpha=0.5)
    assert result.value.item() == pytest.approx(alone.value.item(), abs=1e-9)
    result.value.sum().backward()
    assert grown[0].grad[0, 4:].abs().sum() == 0 == grown[1].grad[0, :, 4:].abs().sum()


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_impossible_alpha_is_refused(alpha: Any) -> None:
    with pytest.raises(ProblemError, match="alpha is"):
        _solve(*_tensors(_problem(0, 2, 2)), epsilon=1.0, alpha=alpha)
