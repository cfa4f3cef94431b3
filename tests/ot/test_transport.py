from __future__ import annotations

import math

import pytest
import torch

from otx.ot.transport import attach_slopes, defer_plan


def test_an_envelope_has_the_value_and_the_slopes_it_was_given():
    value = torch.tensor([1.5, -2.0])
    matrix, vector = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    by_matrix, by_vector = torch.randn(2, 3, 4), torch.randn(2, 3)
    result = attach_slopes(value, (matrix, vector), lambda: (by_matrix, by_vector))
    assert torch.equal(result, value)
    (torch.tensor([1.0, 3.0]) * result).sum().backward()
    assert torch.allclose(matrix.grad, by_matrix * torch.tensor([1.0, 3.0])[:, None, None])
    assert torch.allclose(vector.grad, by_vector * torch.tensor([1.0, 3.0])[:, None])


def test_where_the_slope_is_zero_anything_may_stand():
    matrix = torch.tensor([[torch.nan, torch.inf, 1.0]], requires_grad=True)
    by_matrix = torch.tensor([[0.0, 0.0, 2.0]])
    result = attach_slopes(torch.zeros(1), (matrix,), lambda: (by_matrix,))
    result.sum().backward()
    assert result.item() == 0
    assert torch.equal(matrix.grad, torch.tensor([[0.0, 0.0, 2.0]]))


def test_a_plan_is_computed_once_and_not_before_it_is_asked_for():
    cost, log = torch.full((1, 2, 2), 0.5), torch.zeros(1, 2, dtype=torch.float64)
    plan = defer_plan(cost, log, log, 0.25)
    expected = torch.full((1, 2, 2), math.exp(-2))
    assert torch.allclose(plan(), expected)
    assert plan() is plan()


def test_entries_without_mass_are_zero_in_a_plan_whatever_the_cost_is():
    cost = torch.tensor([[[0.0, torch.nan], [torch.inf, torch.nan]]])
    log = torch.tensor([[0.0, -torch.inf]], dtype=torch.float64)
    assert defer_plan(cost, log, log, 1.0)().tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_a_cost_that_was_modified_in_the_meantime_gives_no_plan():
    cost, log = torch.zeros(1, 2, 2), torch.zeros(1, 2)
    plan = defer_plan(cost, log, log, 1.0)
    cost.add_(1)
    with pytest.raises(RuntimeError, match="modified in place"):
        plan()
