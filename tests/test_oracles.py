"""The check of an oracle's answer refuses what is no solution and cannot empty a test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from tests import oracles

A, B = np.array([0.4, 0.6]), np.array([0.5, 0.3, 0.2])
COST = np.array([[0.0, 1.0, 0.5], [0.7, 0.2, 0.9]])


def test_a_plan_with_its_marginals_passes_and_a_moved_one_does_not() -> None:
    plan = np.outer(A, B)
    assert np.array_equal(oracles.balanced(plan, A, B), plan)
    moved = plan.copy()
    moved[0, :2] += 0.01, -0.01
    with pytest.raises(AssertionError, match="marginals are off by"):
        oracles.balanced(moved, A, B)


def test_a_partial_plan_keeps_its_limits_and_its_mass() -> None:
    """The refused plan is POT 0.9.7's for cost (0, 1) and epsilon .0385: .5 where .4433 is the limit."""
    a, b = np.ones(1), np.array([0.4433, 0.5567])
    oracles.partial(np.array([[0.4433, 0.0567]]), a, b, 0.5)
    with pytest.raises(AssertionError, match="marginals exceed by"):
        oracles.partial(np.array([[0.5, 0.0]]), a, b, 0.5)
    with pytest.raises(AssertionError, match="its mass is"):
        oracles.partial(np.array([[0.4433, 0.05]]), a, b, 0.5)


def test_one_relaxed_pair_in_closed_form() -> None:
    """c p + (epsilon + 2 tau) KL(p | 1) is least at p = exp(-c / (epsilon + 2 tau))."""
    one, cost = np.ones(1), np.full((1, 1), 0.7)
    plan = np.full((1, 1), math.exp(-0.7))
    oracles.relaxed(plan, one, one, cost, 0.2, 0.4)
    with pytest.raises(AssertionError, match="away"):
        oracles.relaxed(plan * 1.01, one, one, cost, 0.2, 0.4)


def test_an_infinite_tau_constrains_its_side() -> None:
    """With one column, rows held and the column relaxed, the plan is a whatever the costs."""
    cost, b = COST[:, :1], np.ones(1)
    oracles.relaxed(A[:, None], A, b, cost, 0.3, (math.inf, 0.4))
    with pytest.raises(AssertionError, match="away"):
        oracles.relaxed(A[::-1, None], A, b, cost, 0.3, (math.inf, 0.4))


@pytest.mark.parametrize("bad", [-0.1, math.nan])
def test_a_negative_mass_or_none_is_refused(bad: float) -> None:
    plan = np.outer(A, B)
    plan[0, 0] = bad
    with pytest.raises(AssertionError, match="an entry"):
        oracles.balanced(plan, A, B)


def test_a_discarded_example_is_replaced() -> None:
    compared = []

    @given(st.booleans(), st.integers(0, 10**9))
    def check(right: bool, _: int) -> None:
        oracles.require(right, "not right")
        compared.append(right)

    check()
    assert all(compared) and len(compared) >= settings().max_examples


def test_an_oracle_that_is_always_wrong_fails_the_test() -> None:
    @given(st.integers())
    def check(_: int) -> None:
        oracles.require(False, "never right")

    with pytest.raises((FailedHealthCheck, Unsatisfiable)):
        check()
