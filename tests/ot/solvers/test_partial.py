from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import ProblemError
from otx.ot.solvers.partial import partial_transport
from otx.ot.solvers.sinkhorn import sinkhorn
from tests import oracles
from tests.examples import examples

LENGTHS = st.integers(1, 14)
SEEDS = st.integers(0, 2**31)
KINDS = st.sampled_from(["uniform", "line", "clusters", "copies"])


def _pot(case: Any, mass: Any) -> Any:
    cost = case.cost - case.epsilon * np.log(np.outer(case.a, case.b))
    plan = ot.partial.entropic_partial_wasserstein(
        case.a, case.b, cost, case.epsilon, m=mass, numItermax=20_000, stopThr=1e-12
    )
    return oracles.partial(plan, case.a, case.b, mass)


def _is_the_optimum(result: Any, case: Any, mass: Any) -> None:
    """The conditions of Karush, Kuhn and Tucker, which only the optimum satisfies.

    The plan is feasible; ``epsilon log(P / (a b^T)) + C - f - g`` is one number, the price of the total; f and g are
    at most 0, and 0 where the row or column has mass left.
    """
    plan, f, g = (tensor[0].numpy() for tensor in (result.plan, result.f, result.g))
    rows, columns = case.a - plan.sum(1), case.b - plan.sum(0)
    assert min(rows.min(), columns.min()) >= -2e-6
    assert plan.sum() == pytest.approx(mass, abs=1e-6)
    entropy = case.epsilon * np.log(plan / np.outer(case.a, case.b))
    price = entropy + case.cost - f[:, None] - g
    assert np.ptp(price) == pytest.approx(0, abs=1e-6)
    assert max(f.max(), g.max()) <= 0
    assert (rows[f < 0] <= 2e-6).all()
    assert (columns[g < 0] <= 2e-6).all()


@examples(60)
@given(SEEDS, LENGTHS, LENGTHS, st.floats(0.5, 30), st.floats(0.05, 0.99), KINDS)
def test_the_plan_is_the_optimum_and_pot_s(
    make_case: Any, seed: int, n: int, m: int, spread: float, mass: Any, kind: str
) -> None:
    case = make_case(seed, n, m, spread, kind=kind)
    inputs = case.tensors(torch.float64)
    result = partial_transport(*inputs, epsilon=case.epsilon, mass=mass, max_iterations=20_000)
    assert bool(result.converged)
    _is_the_optimum(result, case, mass)
    np.testing.assert_allclose(result.plan[0].numpy(), _pot(case, mass), atol=1e-5)


def test_one_word_against_two_in_closed_form() -> None:
    """Where POT 0.9.7 with ``stopThr=1e-12`` returns (.5, 4e-12), which breaks its constraint of .4433.

    With one row of mass 1 the plan is (p, .5 - p). The row's limit of 1 is slack, so the problem is to minimise
    ``.5 - p + epsilon KL((p, .5 - p) | b)`` over p at most b_1 and .5 - p at most b_2. Without these limits the
    derivative ``-1 + epsilon log(p b_2 / ((.5 - p) b_1))`` vanishes at
    ``p = .5 / (1 + (b_2 / b_1) exp(-1 / epsilon))``, which is .5 within 4e-12 and so above b_1 = .4433. The objective
    is convex, hence falls up to that point: the optimum is the limit itself, p = b_1. There the KL divergence has
    ``log(p / b_1) = 0`` and a total of .5 against 1.
    """
    epsilon, b = 0.0385, np.array([0.4433, 0.5567])
    cost, one = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64), torch.ones(1, 1).double()
    result = partial_transport(
        cost, one, torch.tensor(b)[None], epsilon=epsilon, mass=0.5, tolerance=1e-12
    )
    rest = 0.5 - b[0]
    value = rest + epsilon * (rest * np.log(rest / b[1]) - 0.5 + 1)
    assert bool(result.converged)
    np.testing.assert_allclose(result.plan[0].numpy(), [[b[0], rest]], atol=1e-12)
    assert result.value.item() == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("spread", [3.0, 30.0, 300.0])
def test_the_whole_mass_is_the_balanced_problem(make_case: Any, spread: float) -> None:
    case = make_case(1, 6, 8, spread)
    inputs = case.tensors(torch.float64)
    whole = partial_transport(*inputs, epsilon=case.epsilon, mass=1.0, max_iterations=20_000)
    balanced = sinkhorn(*inputs, epsilon=case.epsilon)
    assert torch.allclose(whole.plan, balanced.plan, atol=1e-5)
    assert whole.value.item() == pytest.approx(balanced.value.item(), abs=1e-5)


def test_value_and_gradient(make_case: Any, objective: Any) -> None:
    case = make_case(2, 5, 4, 10.0)
    inputs = case.tensors(torch.float64)
    result = partial_transport(*inputs, epsilon=case.epsilon, mass=0.6, tolerance=1e-12)
    assert result.value.item() == pytest.approx(objective(result.plan[0].numpy(), case), abs=1e-9)

    def value(*tensors: Any) -> Any:
        return partial_transport(*tensors, epsilon=case.epsilon, mass=0.6, tolerance=1e-13).value

    grown = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(value, grown, eps=1e-6, atol=1e-5, fast_mode=True)


def test_a_batch_is_its_problems_and_padding_is_nothing(make_case: Any) -> None:
    cases = [make_case(seed, n, m, 20.0) for seed, n, m in ((0, 3, 7), (1, 6, 2), (2, 1, 1))]
    cost, a, b = torch.full((3, 6, 7), torch.nan).double(), torch.zeros(3, 6), torch.zeros(3, 7)
    a, b = a.double(), b.double()
    for row, case in enumerate(cases):
        n, m = case.cost.shape
        cost[row, :n, :m] = torch.tensor(case.cost)
        a[row, :n], b[row, :m] = torch.tensor(case.a), torch.tensor(case.b)
    mass = torch.tensor([0.3, 0.8, 0.5])
    cost.requires_grad_()
    together = partial_transport(cost, a, b, epsilon=0.05, mass=mass)
    together.value.sum().backward()
    for row, case in enumerate(cases):
        n, m = case.cost.shape
        alone = partial_transport(*case.tensors(torch.float64), epsilon=0.05, mass=mass[row].item())
        assert together.value[row].item() == pytest.approx(alone.value.item(), abs=1e-6)
        assert torch.allclose(together.plan[row, :n, :m], alone.plan[0], atol=1e-6)
        assert cost.grad[row, n:].abs().sum() == 0 == cost.grad[row, :, m:].abs().sum()


@pytest.mark.parametrize("mass", [0.0, -0.5, 1.1, float("nan")])
def test_an_impossible_mass_is_refused(make_case: Any, mass: Any) -> None:
    case = make_case(0, 3, 4, 5.0)
    with pytest.raises(ProblemError, match="problem 0: a mass of"):
        partial_transport(*case.tensors(), epsilon=0.1, mass=mass)
