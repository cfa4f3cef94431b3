from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from otx.errors import ProblemError
from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, Problem

MASS = torch.full((2, 2), 0.5)


def test_half_iterations_maximise_the_dual(make_case: Any) -> None:
    case = make_case(0, 4, 5, 10.0)
    rng = np.random.default_rng(0)
    for tau in (BALANCED, (0.3, 0.3), (0.3, math.inf), (math.inf, 0.3)):
        problem = validate(Problem(*case.tensors(torch.float64), epsilon=case.epsilon, tau=tau))
        v = torch.tensor(rng.normal(size=(1, 5)))
        u = problem.rows(v)

        def dual(u: Any, v: Any, problem: Any = problem) -> Any:
            return problem.dual(u, v, problem.plan(u, v).sum((1, 2))).item()

        best = dual(u, v)
        columns = problem.columns(u)
        best_columns = dual(u, columns)
        for _ in range(20):
            assert dual(u + torch.tensor(0.1 * rng.normal(size=(1, 4))), v) <= best
            assert dual(u, columns + torch.tensor(0.1 * rng.normal(size=(1, 5)))) <= best_columns


def test_the_dual_is_below_the_objective_of_any_plan(make_case: Any, objective: Any) -> None:
    case = make_case(1, 4, 5, 10.0)
    rng = np.random.default_rng(0)
    problem = validate(Problem(*case.tensors(torch.float64), epsilon=case.epsilon, tau=(0.3, 0.3)))
    for _ in range(20):
        u, v = (torch.tensor(rng.normal(size=(1, k))) for k in (4, 5))
        dual = case.epsilon * problem.dual(u, v, problem.plan(u, v).sum((1, 2))).item()
        assert dual <= objective(rng.random((4, 5)), case, 0.3)


def test_row_updates_make_the_rows_exact(make_case: Any) -> None:
    cost, a, b = make_case(0, 4, 5, 10.0).tensors(torch.float64)
    for tau in (BALANCED, (0.3, 0.3), (0.3, math.inf), (math.inf, 0.3)):
        problem = validate(Problem(cost, a, b, epsilon=0.1, tau=tau))
        v = torch.linspace(-1, 1, 5, dtype=torch.float64)[None]
        u = problem.rows(v)
        assert torch.allclose(problem.plan(u, v).sum(2), problem.row_target(u))
        u, v = u, problem.columns(u)
        assert torch.allclose(problem.plan(u, v).sum(1), problem.column_target(v))


def test_the_range_is_between_words_with_mass() -> None:
    cost = torch.tensor([[[1.0, 3.0, 900.0], [2.0, 7.0, -900.0], [5e8, 5e8, torch.nan]]])
    masses = torch.tensor([[0.5, 0.5, 0.0]])
    assert validate(Problem(cost, masses, masses, epsilon=0.5)).cost_range().item() == 12


def test_heat_multiplies_epsilon(make_case: Any) -> None:
    cost, a, b = make_case(0, 4, 5, 10.0).tensors(torch.float64)
    heated = validate(Problem(cost, a, b, epsilon=0.1, tau=(0.3, 0.3))).heat(torch.tensor([[4.0]]))
    warm = validate(Problem(cost, a, b, epsilon=0.4, tau=(0.3, 0.3)))
    v = torch.linspace(-1, 1, 5, dtype=torch.float64)[None]
    assert torch.allclose(heated.rows(v), warm.rows(v))
    assert torch.allclose(heated.columns(heated.rows(v)), warm.columns(warm.rows(v)))


def test_rounding_between_the_sides_is_mended() -> None:
    b = torch.tensor([[0.5, 0.5], [0.5, 0.5 + 2e-4]])
    problem = validate(Problem(torch.zeros(2, 2, 2), MASS, b, epsilon=1.0))
    assert torch.allclose(problem.a.sum(1), problem.b.sum(1), atol=1e-15)


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ([0.0, 0.0], "problem 1: the first side has no mass"),
        ([-0.5, 1.5], "problem 1: a mass of the first side is negative or not finite"),
        ([float("nan"), 1.0], "problem 1: a mass of the first side is negative or not finite"),
        ([0.5, 0.6], "problem 1: the two sides have different masses"),
    ],
)
def test_impossible_masses_are_refused(a: Any, message: str) -> None:
    masses = torch.tensor([[0.5, 0.5], a])
    with pytest.raises(ProblemError, match=message):
        validate(Problem(torch.zeros(2, 2, 2), masses, MASS, epsilon=1.0))


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_epsilon_is_refused(epsilon: float) -> None:
    with pytest.raises(ProblemError, match="epsilon is"):
        validate(Problem(torch.zeros(2, 2, 2), MASS, MASS, epsilon=epsilon))


def test_unequal_masses_are_fine_when_relaxed() -> None:
    problem = validate(Problem(torch.zeros(2, 2, 2), MASS, 3 * MASS, epsilon=1.0, tau=(1.0, 1.0)))
    assert torch.allclose(problem.b.sum(1), torch.tensor(3.0).double())
