from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.ot.problems.problem import Problem
from otx.ot.transport import Transport, attach_slopes, defer_plan


def test_an_envelope_has_the_value_and_the_slopes_it_was_given() -> None:
    value = torch.tensor([1.5, -2.0])
    matrix, vector = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    by_matrix, by_vector = torch.randn(2, 3, 4), torch.randn(2, 3)
    result = attach_slopes(value, (matrix, vector), lambda: (by_matrix, by_vector))
    assert torch.equal(result, value)
    (torch.tensor([1.0, 3.0]) * result).sum().backward()
    assert torch.allclose(matrix.grad, by_matrix * torch.tensor([1.0, 3.0])[:, None, None])
    assert torch.allclose(vector.grad, by_vector * torch.tensor([1.0, 3.0])[:, None])


def test_where_the_slope_is_zero_anything_may_stand() -> None:
    matrix = torch.tensor([[torch.nan, torch.inf, 1.0]], requires_grad=True)
    by_matrix = torch.tensor([[0.0, 0.0, 2.0]])
    result = attach_slopes(torch.zeros(1), (matrix,), lambda: (by_matrix,))
    result.sum().backward()
    assert result.item() == 0
    assert torch.equal(matrix.grad, torch.tensor([[0.0, 0.0, 2.0]]))


def test_a_plan_is_computed_once_and_not_before_it_is_asked_for() -> None:
    cost, log = torch.full((1, 2, 2), 0.5), torch.zeros(1, 2, dtype=torch.float64)
    plan = defer_plan(cost, log, log, 0.25)
    expected = torch.full((1, 2, 2), math.exp(-2))
    assert torch.allclose(plan(), expected)
    assert plan() is plan()


def test_entries_without_mass_are_zero_in_a_plan_whatever_the_cost_is() -> None:
    cost = torch.tensor([[[0.0, torch.nan], [torch.inf, torch.nan]]])
    log = torch.tensor([[0.0, -torch.inf]], dtype=torch.float64)
    assert defer_plan(cost, log, log, 1.0)().tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_a_cost_that_was_modified_in_the_meantime_gives_no_plan() -> None:
    cost, log = torch.zeros(1, 2, 2), torch.zeros(1, 2)
    plan = defer_plan(cost, log, log, 1.0)
    cost.add_(1)
    with pytest.raises(RuntimeError, match="modified in place"):
        plan()


def _problem() -> Any:
    return Problem(
        torch.zeros(2, 2, 1), torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.ones(2, 1), epsilon=1.0
    )


def test_a_result_has_no_potential_where_there_is_no_mass_and_the_dtype_of_its_value() -> None:
    plan = torch.tensor([[[1.0], [0.0]], [[0.5], [0.5]]], dtype=torch.float64)
    result = Transport.from_potentials(
        _problem(),
        torch.full((2, 2), 3.0, dtype=torch.float64),
        torch.full((2, 1), 4.0, dtype=torch.float64),
        value=torch.zeros(2),
        plan=plan,
        iterations=torch.tensor([1, 2]),
        error=torch.tensor([0.0, 1.0], dtype=torch.float64),
        converged=torch.tensor([True, False]),
    )
    assert result.f.tolist() == [[3.0, 0.0], [3.0, 3.0]]
    assert result.mass.tolist() == [1.0, 1.0]
    others = (result.f, result.g, result.plan, result.marginal_error, result.mass)
    assert {tensor.dtype for tensor in others} == {torch.float32}
    assert result.plan is result.plan


def test_a_result_takes_the_shape_of_its_value_and_a_plan_that_is_computed_later() -> None:
    options = {
        "value": torch.zeros(2, 1),
        "plan": lambda: torch.ones(2, 1, 2, 1),
        "iterations": torch.tensor([1, 2]),
        "error": torch.zeros(2),
        "converged": torch.ones(2, dtype=torch.bool),
    }
    f, g = torch.ones(2, 2), torch.ones(2, 1)
    result = Transport.from_potentials(_problem(), f, g, mass=torch.ones(2), **options)
    assert result.f.shape == result.plan.shape[:3] == (2, 1, 2)
    assert result.iterations.shape == result.converged.shape == result.mass.shape == (2, 1)
    with pytest.raises(TypeError, match="needs its mass"):
        Transport.from_potentials(_problem(), f, g, **options)
