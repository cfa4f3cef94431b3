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
from otx.ot.costs.ground import cosine
from otx.ot.problems.masses import uniform
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.sinkhorn_kernel import SCALINGS
from tests import oracles
from tests.examples import examples

SPREADS = st.floats(-1, np.log10(300)).map(lambda power: 10.0**power)
SCALES = st.sampled_from([1e-3, 1.0, 1e3])
KINDS = st.sampled_from(["uniform", "line", "clusters", "copies"])
LENGTHS = st.integers(1, 24)
SEEDS = st.integers(0, 2**31)


@examples(150)
@given(SEEDS, LENGTHS, LENGTHS, SPREADS, SCALES, KINDS, st.booleans())
def test_plan_and_value_equal_pot(
    make_case: Any,
    pot_plan: Any,
    objective: Any,
    seed: int,
    n: int,
    m: int,
    spread: float,
    scale: Any,
    kind: str,
    equal_masses: Any,
) -> None:
    case = make_case(seed, n, m, spread, scale, kind, equal_masses).rounded()
    result = sinkhorn(*case.tensors(), epsilon=case.epsilon)
    plan, error = pot_plan(case)
    if error > 1e-9:  # POT crawls on some; then it must have nothing to mend in our answer
        f, g = (potential[0].double().numpy() for potential in (result.f, result.g))
        plan, error = pot_plan(case, f, g)

    assert result.value.dtype == torch.float32
    assert bool(result.converged)
    assert result.marginal_error.item() <= 1e-6
    np.testing.assert_allclose(result.plan[0].numpy(), plan, atol=1e-5)
    assert np.abs(result.plan[0].double().numpy().sum(0) - case.b).sum() <= 1e-4
    assert np.abs(result.plan[0].double().numpy().sum(1) - case.a).sum() <= 1e-4
    assert result.mass.item() == pytest.approx(1, abs=1e-5)
    assert result.value.item() == pytest.approx(objective(plan, case), abs=2e-6 * scale)


@pytest.mark.parametrize(("n", "m", "spread"), [(512, 300, 30), (1, 512, 300), (120, 200, 100)])
def test_long_sentences_equal_pot(
    make_case: Any, pot_plan: Any, n: int, m: int, spread: int
) -> None:
    case = make_case(3, n, m, spread, kind="copies").rounded()
    result = sinkhorn(*case.tensors(), epsilon=case.epsilon)
    assert bool(result.converged)
    # From our potentials, which POT must have nothing to mend in: from scratch it takes thousands of iterations.
    f, g = (potential[0].double().numpy() for potential in (result.f, result.g))
    plan = oracles.balanced(pot_plan(case, f, g)[0], case.a, case.b)
    np.testing.assert_allclose(result.plan[0].numpy(), plan, atol=1e-5)


@pytest.mark.parametrize("spread", [100, 300])
@pytest.mark.parametrize("kind", ["uniform", "line", "clusters", "copies"])
def test_hard_problems_satisfy_the_optimality_conditions(
    make_case: Any, kind: str, spread: int
) -> None:
    """A plan exp((f + g - C) / eps) a b^T with the right marginals is the only optimum."""
    case = make_case(0, 20, 20, spread, kind=kind, equal_masses=True)
    result = sinkhorn(*case.tensors(torch.float64), epsilon=case.epsilon, tolerance=1e-10)
    f, g = result.f[0].numpy(), result.g[0].numpy()
    plan = np.exp((f[:, None] + g - case.cost) / case.epsilon) * np.outer(case.a, case.b)
    assert bool(result.converged)
    assert result.iterations.item() < SCALINGS + 40
    np.testing.assert_allclose(plan.sum(0), case.b, atol=1e-10)
    np.testing.assert_allclose(plan.sum(1), case.a, atol=1e-10)
    np.testing.assert_allclose(result.plan[0].numpy(), plan, atol=1e-12)


def test_one_word_takes_all() -> None:
    cost, b = torch.tensor([[[1.0, 2.0, 5.0]]]), torch.tensor([[0.2, 0.3, 0.5]])
    result = sinkhorn(cost, torch.ones(1, 1), b, epsilon=0.01)
    assert torch.allclose(result.plan[0], b)
    assert result.value.item() == pytest.approx(0.2 + 0.6 + 2.5)


def test_equal_costs_couple_independently() -> None:
    a, b = torch.tensor([[0.3, 0.7]]), torch.tensor([[0.5, 0.25, 0.25]])
    result = sinkhorn(torch.full((1, 2, 3), 7.0), a, b, epsilon=0.1)
    assert torch.allclose(result.plan[0], a[0, :, None] * b[0])
    assert result.value.item() == pytest.approx(7)


def test_equal_diracs_cost_nothing() -> None:
    one = torch.ones(1, 1)
    assert sinkhorn(torch.zeros(1, 1, 1), one, one, epsilon=1e-3).value.item() == 0


def test_two_words_in_closed_form() -> None:
    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], dtype=torch.float64)
    half = torch.full((1, 2), 0.5, dtype=torch.float64)
    result = sinkhorn(cost, half, half, epsilon=0.5, tolerance=1e-12)
    same = 0.5 / (1 + np.exp(-2))
    expected = np.array([[same, 0.5 - same], [0.5 - same, same]])
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-12)


def test_a_permutation_is_found() -> None:
    n, epsilon = 30, 0.05
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    cost = 1 - torch.eye(n)[order]
    mass = torch.full((1, n), 1 / n)
    result = sinkhorn(cost[None], mass, mass, epsilon=epsilon)
    assert torch.equal(result.plan[0].argmax(1), order)
    assert result.value.item() == pytest.approx(epsilon * np.log(n), abs=1e-5)


def test_squared_distances_in_float32_with_epsilon_one(make_case: Any, pot_plan: Any) -> None:
    """Where POT's default solver returns a plan of mass 8e-34, and no NaN."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 64)), rng.normal(size=(15, 64))
    masses = make_case(0, 12, 15, 1.0, equal_masses=True)
    case = type(masses)(((x[:, None] - y) ** 2).sum(2), masses.a, masses.b, 1.0).rounded()
    assert 120 < case.cost.mean() < 140
    result = sinkhorn(*case.tensors(), epsilon=1.0)
    plan, error = pot_plan(case)
    assert error < 1e-9
    assert result.mass.item() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(result.plan[0].numpy(), plan, atol=1e-5)


@examples(15)
@given(SEEDS, st.integers(1, 12), st.integers(1, 12), st.sampled_from([1e3, 1e4, 1e5, 1e6]))
def test_a_vanishing_epsilon_comes_to_the_exact_value_or_says_no(
    make_case: Any, seed: int, n: int, m: int, spread: float
) -> None:
    case = make_case(seed, n, m, spread, equal_masses=seed % 2 == 0)
    result = sinkhorn(*case.tensors(torch.float64), epsilon=case.epsilon)
    plan = oracles.balanced(ot.emd(case.a, case.b, case.cost), case.a, case.b)
    exact = (plan * case.cost).sum()
    entropy = case.epsilon * np.log(1 / min(case.a.min(), case.b.min()))
    for known in (result.value, result.f, result.g, result.plan, result.mass):
        assert known.isfinite().all()
    if bool(result.converged):
        assert exact - 1e-5 <= result.value.item() <= exact + entropy + 1e-5
    else:
        rows, columns = result.plan[0].sum(1).numpy(), result.plan[0].sum(0).numpy()
        assert np.abs(rows - case.a).sum() + np.abs(columns - case.b).sum() > 5e-7


@pytest.mark.parametrize(("spread", "share"), [(1e3, 1.0), (1e4, 1.0), (1e5, 0.9), (1e6, 0.8)])
def test_most_problems_converge_at_a_vanishing_epsilon(
    make_case: Any, spread: float, share: float
) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 13, (60, 2))
    cases = [
        make_case(seed, n, m, spread, equal_masses=seed % 2 == 0)
        for seed, (n, m) in enumerate(sizes)
    ]
    solved = [sinkhorn(*case.tensors(torch.float64), epsilon=case.epsilon) for case in cases]
    assert np.mean([bool(result.converged) for result in solved]) >= share


def test_too_few_iterations_are_reported_and_the_value_is_a_lower_bound(make_case: Any) -> None:
    cost, a, b = make_case(1, 20, 20, 200.0, kind="uniform").tensors()
    short = sinkhorn(cost, a, b, epsilon=1 / 200, max_iterations=5)
    full = sinkhorn(cost, a, b, epsilon=1 / 200)
    assert not bool(short.converged)
    assert short.iterations.item() == 5
    assert short.marginal_error.item() > 1e-6
    assert short.value.item() <= full.value.item()


@examples(20)
@given(SEEDS, st.integers(2, 6), st.integers(2, 6), st.floats(0.5, 300), SCALES)
def test_gradients_equal_finite_differences(
    make_case: Any, seed: int, n: int, m: int, spread: float, scale: Any
) -> None:
    case = make_case(seed, n, m, spread, scale)
    inputs = [tensor.requires_grad_() for tensor in case.tensors()]
    by_cost, by_a, by_b = torch.autograd.grad(
        sinkhorn(*inputs, epsilon=case.epsilon).value.sum(), inputs
    )
    rng = np.random.default_rng(seed)
    along = [rng.normal(size=by.shape[1:]) for by in (by_cost, by_a, by_b)]
    along[0] *= case.epsilon
    along[1:] = [(move - move.mean()) * min(case.a.min(), case.b.min()) for move in along[1:]]

    def value(step: float, which: int) -> float:
        moved = [tensor.detach().double() for tensor in inputs]
        moved[which] = moved[which] + step * torch.tensor(along[which])
        return sinkhorn(*moved, epsilon=case.epsilon, tolerance=1e-11).value.item()

    for which, by in enumerate((by_cost, by_a, by_b)):
        numeric = (value(1e-3, which) - value(-1e-3, which)) / 2e-3
        analytic = (by[0].double().numpy() * along[which]).sum()
        assert analytic == pytest.approx(numeric, rel=1e-3, abs=1e-3 * case.epsilon)


def test_gradient_by_the_cost_equals_differences_of_pots_value(
    make_case: Any, pot_plan: Any, objective: Any
) -> None:
    case = make_case(5, 4, 5, 8.0)
    cost, a, b = case.tensors()
    cost.requires_grad_()
    sinkhorn(cost, a, b, epsilon=case.epsilon).value.sum().backward()
    for i, j in np.ndindex(4, 5):
        values = []
        for step in (1e-4, -1e-4):
            moved = case.cost.copy()
            moved[i, j] += step
            there = type(case)(moved, case.a, case.b, case.epsilon)
            plan = oracles.balanced(pot_plan(there)[0], there.a, there.b)
            values.append(objective(plan, there))
        assert cost.grad[0, i, j].item() == pytest.approx((values[0] - values[1]) / 2e-4, abs=1e-5)


@examples(25)
@given(SEEDS, st.integers(1, 12), st.integers(1, 12), st.integers(0, 9), SPREADS)
def test_padding_changes_nothing_and_gets_nothing(
    make_case: Any, seed: int, n: int, m: int, padding: Any, spread: float
) -> None:
    case = make_case(seed, n, m, spread)
    cost, a, b = case.tensors()
    alone = sinkhorn(cost, a, b, epsilon=case.epsilon)
    wide = torch.full((1, n + padding, m + 2 * padding), torch.nan)
    wide[:, ::2] = torch.inf
    wide[:, :n, :m] = cost
    padded = [
        wide,
        torch.nn.functional.pad(a, (0, padding)),
        torch.nn.functional.pad(b, (0, 2 * padding)),
    ]
    padded = [tensor.requires_grad_() for tensor in padded]
    result = sinkhorn(*padded, epsilon=case.epsilon)
    by_cost, by_a, by_b = torch.autograd.grad(result.value.sum(), padded)

    assert result.value.item() == pytest.approx(alone.value.item(), abs=1e-6)
    assert torch.allclose(result.plan[:, :n, :m], alone.plan, atol=1e-6)
    outside = torch.ones_like(wide, dtype=torch.bool)
    outside[:, :n, :m] = False
    for nothing in (
        result.plan[outside], by_cost[outside], by_a[:, n:], by_b[:, m:],
        result.f[:, n:], result.g[:, m:],
    ):  # fmt: skip
        assert (nothing == 0).all()


def test_a_batch_equals_its_problems_alone(make_case: Any) -> None:
    lengths = [(1, 1), (3, 7), (12, 2), (9, 12), (12, 12)]
    cases = [make_case(i, n, m, 40.0, kind="copies") for i, (n, m) in enumerate(lengths)]
    cost, a, b = torch.zeros(5, 12, 12), torch.zeros(5, 12), torch.zeros(5, 12)
    for i, (case, (n, m)) in enumerate(zip(cases, lengths, strict=True)):
        cost[i, :n, :m], a[i, :n], b[i, :m] = (tensor[0] for tensor in case.tensors())
    batch = sinkhorn(cost, a, b, epsilon=1 / 40)
    for i, case in enumerate(cases):
        alone = sinkhorn(*case.tensors(), epsilon=case.epsilon)
        assert batch.value[i].item() == pytest.approx(alone.value.item(), abs=1e-6)
        assert batch.iterations[i] == alone.iterations[0]
        assert bool(batch.converged[i])


def test_a_finished_problem_is_left_alone_while_others_go_on(make_case: Any) -> None:
    easy, hard = make_case(0, 8, 8, 1.0), make_case(1, 8, 8, 300.0)
    cost = torch.stack([easy.tensors()[0][0] / 300, hard.tensors()[0][0]])
    a = torch.cat([easy.tensors()[1], hard.tensors()[1]])
    b = torch.cat([easy.tensors()[2], hard.tensors()[2]])
    result = sinkhorn(cost, a, b, epsilon=1 / 300)
    assert result.iterations[0] < result.iterations[1]
    assert result.converged.all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_are_solved_in_full(dtype: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(3, 20, 32, generator=generator) for _ in range(2))
    mass = uniform(torch.ones(3, 20, dtype=torch.bool))
    full = sinkhorn(cosine(x, y), mass, mass, epsilon=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        vectors = [v.to(dtype).requires_grad_() for v in (x, y)]
        half = sinkhorn(cosine(*vectors), mass, mass, epsilon=0.05)
        rounded = sinkhorn(cosine(x, y).to(dtype), mass.to(dtype), mass.to(dtype), epsilon=0.05)
    half.value.sum().backward()
    assert half.value.dtype == rounded.value.dtype == torch.float32
    assert vectors[0].grad.dtype == dtype
    assert vectors[0].grad.isfinite().all()
    for result in (half, rounded):
        assert torch.allclose(result.value, full.value, atol=1e-2)
    assert torch.allclose(half.mass, torch.ones(3), atol=1e-4)


def test_a_weightless_word_is_no_word(make_case: Any) -> None:
    case = make_case(2, 6, 5, 20.0)
    cost, a, b = case.tensors()
    a[0, 3] = 0
    a = a / a.sum()
    kept = torch.tensor([0, 1, 2, 4, 5])
    with_it = sinkhorn(cost, a, b, epsilon=case.epsilon)
    without = sinkhorn(cost[:, kept], a[:, kept], b, epsilon=case.epsilon)
    assert with_it.value.item() == pytest.approx(without.value.item(), abs=1e-6)
    assert (with_it.plan[0, 3] == 0).all()


def test_it_says_nothing(make_case: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cost, a, b = make_case(0, 10, 10, 1e6).tensors()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sinkhorn(cost, a, b, epsilon=1e-6, max_iterations=20)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_cost_that_is_not_finite_is_refused(value: Any) -> None:
    cost, mass = torch.zeros(3, 2, 2), torch.full((3, 2), 0.5)
    cost[2, 0, 1] = value
    with pytest.raises(ProblemError, match="problem 2: a cost between two real words"):
        sinkhorn(cost, mass, mass, epsilon=1.0)
