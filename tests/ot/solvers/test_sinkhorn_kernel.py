from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, Problem
from otx.ot.solvers.sinkhorn_kernel import SAFE_EXPONENT, alternate, average, is_safe
from otx.ot.stopping import Stopping
from tests.examples import examples


def _posed(make_case: Any, *shape: Any, tau: Any = BALANCED, **kind: Any) -> Any:
    case = make_case(*shape, **kind)
    return validate(Problem(*case.tensors(torch.float64), epsilon=case.epsilon, tau=tau))


def _zeros(problem: Any) -> Any:
    return torch.zeros_like(problem.b)


@pytest.mark.parametrize("kind", ["uniform", "line", "clusters", "copies"])
@pytest.mark.parametrize(
    "tau", [BALANCED, (0.1, 0.1), (100.0, 100.0), (0.1, math.inf), (math.inf, 0.1)]
)
def test_the_error_is_that_of_the_plan_and_it_falls_below_the_tolerance(
    make_case: Any, kind: str, tau: Any
) -> None:
    problem = _posed(make_case, 0, 12, 15, 20.0, kind=kind, tau=tau)
    found = alternate(problem, _zeros(problem), Stopping(1e-7, 5000))
    u = problem.rows(found.v)
    gap = problem.plan(u, found.v).sum(1) - problem.column_target(found.v)
    assert gap.abs().sum().item() <= 1e-7
    assert found.error.item() == pytest.approx(gap.abs().sum().item(), abs=1e-12)


@examples(40)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 20),
    m=st.integers(1, 20),
    spread=st.floats(0.1, SAFE_EXPONENT),
    kind=st.sampled_from(["uniform", "line", "clusters", "copies"]),
    tau=st.sampled_from([BALANCED, (0.05, 0.05), (100.0, 1.0), (math.inf, 0.3)]),
)
def test_within_the_bound_nothing_leaves_the_numbers_range(
    make_case: Any, seed: int, n: int, m: int, spread: float, kind: str, tau: Any
) -> None:
    problem = _posed(make_case, seed, n, m, spread, kind=kind, tau=tau)
    assert bool(is_safe(problem))
    found = alternate(problem, _zeros(problem), Stopping(0.0, 60))
    assert bool(found.v.isfinite().all())
    assert bool(found.error.isfinite().all())


def test_relaxation_saves_iterations_where_plain_ones_are_slow(
    make_case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = _posed(make_case, 2, 25, 25, 40.0, kind="copies")
    relaxed = alternate(problem, _zeros(problem), Stopping(1e-6, 5000))
    monkeypatch.setattr("otx.ot.solvers.sinkhorn_kernel.OMEGA", 1.0)
    monkeypatch.setattr("otx.ot.solvers.sinkhorn_kernel.OMEGA_MOST", 1.0)
    plain = alternate(problem, _zeros(problem), Stopping(1e-6, 5000))
    assert plain.error.item() <= 1e-6
    assert 2 * relaxed.steps.item() < plain.steps.item()


def test_a_side_against_itself_needs_few_iterations_at_any_epsilon() -> None:
    points = np.random.default_rng(0).normal(size=(20, 8))
    cost = torch.cdist(torch.tensor(points), torch.tensor(points))[None]
    mass = torch.full((1, 20), 1 / 20, dtype=torch.float64)
    problem = validate(Problem(cost, mass, mass, epsilon=float(cost.max()) / 100))
    assert average(problem, _zeros(problem), Stopping(1e-9, 100)).steps.item() <= 30


def test_each_problem_stops_on_its_own_and_keeps_what_it_had(make_case: Any) -> None:
    easy, hard = _posed(make_case, 0, 8, 8, 1.0), _posed(make_case, 1, 8, 8, 60.0, kind="copies")
    both = validate(
        Problem(
            torch.cat((easy.exponent, hard.exponent)),
            torch.cat((easy.a, hard.a)),
            torch.cat((easy.b, hard.b)),
            epsilon=1.0,
        )
    )
    together = alternate(both, _zeros(both), Stopping(1e-8, 3000))
    for place, alone in enumerate((easy, hard)):
        single = alternate(alone, _zeros(alone), Stopping(1e-8, 3000))
        assert together.steps[place] == single.steps[0]
        assert torch.allclose(together.v[place], single.v[0], atol=1e-9)
    assert together.steps[0] < together.steps[1]


def test_a_start_at_the_end_takes_no_iteration(make_case: Any) -> None:
    problem = _posed(make_case, 0, 9, 11, 20.0)
    end = alternate(problem, _zeros(problem), Stopping(1e-9, 3000))
    assert alternate(problem, end.v, Stopping(1e-8, 10)).steps.item() == 0


def test_safety_is_a_property_of_each_problem(make_case: Any) -> None:
    case = make_case(0, 5, 5, 10.0)
    cost, a, b = case.tensors(torch.float64)
    costs = torch.cat((cost, 1000 * cost, -1000 * cost))
    problem = validate(Problem(costs, a.repeat(3, 1), b.repeat(3, 1), epsilon=case.epsilon))
    assert is_safe(problem).tolist() == [True, False, False]
