from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otx.errors import ProblemError
from otx.ot.partial import partial
from otx.ot.sinkhorn import sinkhorn

LENGTHS = st.integers(1, 14)
SEEDS = st.integers(0, 2**31)
KINDS = st.sampled_from(["uniform", "line", "clusters", "copies"])


def _pot(case, mass):
    cost = case.cost - case.epsilon * np.log(np.outer(case.a, case.b))
    return ot.partial.entropic_partial_wasserstein(
        case.a, case.b, cost, case.epsilon, m=mass, numItermax=20_000, stopThr=1e-12
    )


@settings(deadline=None, max_examples=60)
@given(SEEDS, LENGTHS, LENGTHS, st.floats(0.5, 30), st.floats(0.05, 0.99), KINDS)
def test_the_plan_is_pot_s(make_case, seed, n, m, spread, mass, kind):
    case = make_case(seed, n, m, spread, kind=kind)
    inputs = case.tensors(torch.float64)
    result = partial(*inputs, epsilon=case.epsilon, mass=mass, max_iterations=20_000)
    plan = result.plan[0].numpy()
    assert bool(result.converged)
    assert plan.sum() == pytest.approx(mass)
    np.testing.assert_allclose(plan, _pot(case, mass), atol=1e-5)


@pytest.mark.parametrize("spread", [3.0, 30.0, 300.0])
def test_the_whole_mass_is_the_balanced_problem(make_case, spread):
    case = make_case(1, 6, 8, spread)
    inputs = case.tensors(torch.float64)
    whole = partial(*inputs, epsilon=case.epsilon, mass=1.0, max_iterations=20_000)
    balanced = sinkhorn(*inputs, epsilon=case.epsilon)
    assert torch.allclose(whole.plan, balanced.plan, atol=1e-5)
    assert whole.value.item() == pytest.approx(balanced.value.item(), abs=1e-5)


def test_value_and_gradient(make_case, objective):
    case = make_case(2, 5, 4, 10.0)
    inputs = case.tensors(torch.float64)
    result = partial(*inputs, epsilon=case.epsilon, mass=0.6, tolerance=1e-12)
    assert result.value.item() == pytest.approx(objective(result.plan[0].numpy(), case), abs=1e-9)

    def value(*tensors):
        return partial(*tensors, epsilon=case.epsilon, mass=0.6, tolerance=1e-13).value

    grown = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(value, grown, eps=1e-6, atol=1e-5)


def test_a_batch_is_its_problems_and_padding_is_nothing(make_case):
    cases = [make_case(seed, n, m, 20.0) for seed, n, m in ((0, 3, 7), (1, 6, 2), (2, 1, 1))]
    cost, a, b = torch.full((3, 6, 7), torch.nan).double(), torch.zeros(3, 6), torch.zeros(3, 7)
    a, b = a.double(), b.double()
    for row, case in enumerate(cases):
        n, m = case.cost.shape
        cost[row, :n, :m] = torch.tensor(case.cost)
        a[row, :n], b[row, :m] = torch.tensor(case.a), torch.tensor(case.b)
    mass = torch.tensor([0.3, 0.8, 0.5])
    cost.requires_grad_()
    together = partial(cost, a, b, epsilon=0.05, mass=mass)
    together.value.sum().backward()
    for row, case in enumerate(cases):
        n, m = case.cost.shape
        alone = partial(*case.tensors(torch.float64), epsilon=0.05, mass=mass[row].item())
        assert together.value[row].item() == pytest.approx(alone.value.item(), abs=1e-6)
        assert torch.allclose(together.plan[row, :n, :m], alone.plan[0], atol=1e-6)
        assert cost.grad[row, n:].abs().sum() == 0 == cost.grad[row, :, m:].abs().sum()


@pytest.mark.parametrize("mass", [0.0, -0.5, 1.1, float("nan")])
def test_an_impossible_mass_is_refused(make_case, mass):
    case = make_case(0, 3, 4, 5.0)
    with pytest.raises(ProblemError, match="problem 0: a mass of"):
        partial(*case.tensors(), epsilon=0.1, mass=mass)
