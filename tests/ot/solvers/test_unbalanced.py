from __future__ import annotations

import math
from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import ProblemError
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.unbalanced import unbalanced
from tests import oracles
from tests.examples import examples

LENGTHS = st.integers(1, 24)
SEEDS = st.integers(0, 2**31)
RATIOS = st.sampled_from([0.1, 1.0, 10.0])
KINDS = st.sampled_from(["uniform", "line", "clusters", "copies"])


def _pot(case: Any, tau: Any) -> Any:
    plan = ot.unbalanced.sinkhorn_unbalanced(
        case.a, case.b, case.cost, case.epsilon, tau, reg_type="kl",
        c=np.outer(case.a, case.b), numItermax=20000, stopThr=1e-13,
    )  # fmt: skip
    return oracles.relaxed(plan, case.a, case.b, case.cost, case.epsilon, tau)


def _with_masses(case: Any, of_a: Any, of_b: Any) -> Any:
    return type(case)(case.cost, of_a * case.a, of_b * case.b, case.epsilon)


@examples(100)
@given(
    SEEDS, LENGTHS, LENGTHS, st.floats(0.5, 100), RATIOS, KINDS,
    st.sampled_from([1e-3, 1.0, 1e3]), st.sampled_from([0.5, 1.0, 2.0]),
)  # fmt: skip
def test_plan_and_value_equal_pot(
    make_case: Any,
    objective: Any,
    seed: int,
    n: int,
    m: int,
    spread: float,
    ratio: Any,
    kind: str,
    scale: Any,
    of_b: Any,
) -> None:
    case = _with_masses(make_case(seed, n, m, spread, scale, kind), 1.0, of_b)
    tau = ratio * case.epsilon
    result = unbalanced(*case.tensors(torch.float64), epsilon=case.epsilon, tau=tau)
    assert bool(result.converged)
    plan = _pot(case, tau)
    np.testing.assert_allclose(result.plan[0].numpy(), plan, atol=1e-6)
    assert result.mass.item() == pytest.approx(plan.sum(), abs=1e-6)
    assert result.value.item() == pytest.approx(objective(plan, case, tau), abs=1e-6 * scale)


@examples(30)
@given(SEEDS, LENGTHS, LENGTHS, st.floats(0.5, 300), st.floats(0.01, 1e4), KINDS)
def test_the_fixed_point_holds_in_float32(
    make_case: Any, seed: int, n: int, m: int, spread: float, ratio: Any, kind: str
) -> None:
    """P 1 = a exp(-f / tau) and P^T 1 = b exp(-g / tau), which only the optimum satisfies."""
    case = make_case(seed, n, m, spread, kind=kind)
    tau = ratio * case.epsilon
    result = unbalanced(*case.tensors(), epsilon=case.epsilon, tau=tau)
    plan, f, g = (tensor[0].double().numpy() for tensor in (result.plan, result.f, result.g))
    assert bool(result.converged)
    assert result.marginal_error.item() <= 1e-6
    np.testing.assert_allclose(plan.sum(1), case.a * np.exp(-f / tau), atol=1e-5)
    np.testing.assert_allclose(plan.sum(0), case.b * np.exp(-g / tau), atol=1e-5)


@examples(60)
@given(
    SEEDS, LENGTHS, LENGTHS, st.floats(0.5, 100), RATIOS, st.sampled_from([0.3, 1.0, 10.0, None]), KINDS
)  # fmt: skip
def test_each_side_has_a_tau_of_its_own(
    make_case: Any, seed: int, n: int, m: int, spread: float, ratio: Any, other: Any, kind: str
) -> None:
    """None stands for infinite: the semi-relaxed problem, whose other marginal is exact."""
    case = make_case(seed, n, m, spread, kind=kind)
    tau = ratio * case.epsilon, math.inf if other is None else other * case.epsilon
    inputs = case.tensors(torch.float64)
    result = unbalanced(*inputs, epsilon=case.epsilon, tau=tau)
    assert bool(result.converged)
    turned = unbalanced(
        inputs[0].mT, inputs[2], inputs[1], epsilon=case.epsilon, tau=(tau[1], tau[0])
    )
    assert turned.value.item() == pytest.approx(result.value.item(), abs=1e-6)
    if other is None:
        np.testing.assert_allclose(result.plan[0].sum(0).numpy(), case.b, atol=1e-6)
    np.testing.assert_allclose(result.plan[0].numpy(), _pot(case, tau), atol=1e-6)


def test_the_semi_relaxed_value_and_its_gradient_are_those_of_the_objective(
    make_case: Any, objective: Any
) -> None:
    case = make_case(3, 5, 7, 12.0)
    cost, a, b = case.tensors(torch.float64)
    tau = (0.4, math.inf)

    def value(*inputs: Any) -> Any:
        return unbalanced(*inputs, epsilon=case.epsilon, tau=tau, tolerance=1e-12).value

    plan = _pot(case, tau)
    relaxed = 0.4 * _kl(plan.sum(1), case.a)
    wanted = objective(plan, case) + relaxed
    assert value(cost, a, b).item() == pytest.approx(wanted, abs=1e-8)
    inputs = [tensor.requires_grad_() for tensor in (cost, a, b)]
    assert torch.autograd.gradcheck(value, inputs, atol=1e-6)


def _kl(p: Any, q: Any) -> Any:
    return float((p * np.log(p / q) - p + q).sum())


def test_an_immense_tau_is_the_balanced_problem(make_case: Any) -> None:
    case = make_case(0, 7, 9, 20.0)
    inputs = case.tensors(torch.float64)
    relaxed = unbalanced(*inputs, epsilon=case.epsilon, tau=1e7)
    exact = sinkhorn(*inputs, epsilon=case.epsilon)
    assert relaxed.value.item() == pytest.approx(exact.value.item(), abs=1e-6)
    assert torch.allclose(relaxed.plan, exact.plan, atol=1e-6)
    assert relaxed.iterations.item() < 25


def test_a_word_that_nothing_resembles_is_left_alone() -> None:
    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]])
    a, b = torch.full((1, 3), 1 / 3), torch.full((1, 2), 1 / 2)
    result = unbalanced(cost, a, b, epsilon=0.01, tau=0.1)
    partners = result.plan[0].sum(1)
    assert partners[2] < 0.01 * partners[0]


def test_one_pair_of_words_in_closed_form() -> None:
    """c p + (epsilon + 2 tau) KL(p | 1) is least at p = exp(-c / (epsilon + 2 tau))."""
    cost, one = torch.tensor([[[0.7]]], dtype=torch.float64), torch.ones(1, 1).double()
    result = unbalanced(cost, one, one, epsilon=0.2, tau=0.4, tolerance=1e-12)
    mass = np.exp(-0.7)
    assert result.mass.item() == pytest.approx(mass)
    assert result.value.item() == pytest.approx(1 - mass)


@examples(15)
@given(SEEDS, st.integers(1, 6), st.integers(1, 6), st.floats(0.5, 100), RATIOS)
def test_gradients_equal_finite_differences(
    make_case: Any, seed: int, n: int, m: int, spread: float, ratio: Any
) -> None:
    case = make_case(seed, n, m, spread)
    tau = ratio * case.epsilon
    inputs = [tensor.requires_grad_() for tensor in case.tensors(torch.float64)]
    gradients = torch.autograd.grad(
        unbalanced(*inputs, epsilon=case.epsilon, tau=tau).value.sum(), inputs
    )
    rng = np.random.default_rng(seed)
    sizes = (case.epsilon, case.a.min(), case.b.min())
    for which, (by, size) in enumerate(zip(gradients, sizes, strict=True)):
        along = torch.tensor(rng.normal(size=by.shape) * size)
        values = []
        for step in (1e-3, -1e-3):
            moved = [tensor.detach().clone() for tensor in inputs]
            moved[which] += step * along
            values.append(
                unbalanced(*moved, epsilon=case.epsilon, tau=tau, tolerance=1e-11).value.item()
            )
        numeric = (values[0] - values[1]) / 2e-3
        assert (by * along).sum().item() == pytest.approx(
            numeric, rel=1e-3, abs=1e-4 * case.epsilon
        )


def test_padding_changes_nothing_and_gets_nothing(make_case: Any) -> None:
    cost, a, b = make_case(3, 6, 8, 30.0).tensors()
    alone = unbalanced(cost, a, b, epsilon=1 / 30, tau=0.1)
    wide = torch.full((1, 9, 12), torch.nan)
    wide[:, :6, :8] = cost
    padded = [wide, torch.nn.functional.pad(a, (0, 3)), torch.nn.functional.pad(b, (0, 4))]
    padded = [tensor.requires_grad_() for tensor in padded]
    result = unbalanced(*padded, epsilon=1 / 30, tau=0.1)
    by_cost, by_a, by_b = torch.autograd.grad(result.value.sum(), padded)
    assert result.value.item() == pytest.approx(alone.value.item(), abs=1e-6)
    assert (by_cost[:, 6:] == 0).all()
    assert (by_cost[:, :, 8:] == 0).all()
    assert (by_a[:, 6:] == 0).all()
    assert (by_b[:, 8:] == 0).all()


def test_a_batch_equals_its_problems_alone(make_case: Any) -> None:
    cases = [make_case(i, 6, 8, spread) for i, spread in enumerate((1.0, 30.0, 300.0))]
    inputs = [torch.cat(parts) for parts in zip(*(case.tensors() for case in cases), strict=True)]
    batch = unbalanced(*inputs, epsilon=0.02, tau=0.3)
    for i, case in enumerate(cases):
        alone = unbalanced(*case.tensors(), epsilon=0.02, tau=0.3)
        assert batch.value[i].item() == pytest.approx(alone.value.item(), abs=1e-6)


@pytest.mark.parametrize("tau", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_tau_is_refused(tau: Any) -> None:
    with pytest.raises(ProblemError, match="tau is"):
        unbalanced(torch.zeros(1, 1, 1), torch.ones(1, 1), torch.ones(1, 1), epsilon=1.0, tau=tau)
