from __future__ import annotations

import torch

from otx.ot.transport import envelope


def test_an_envelope_has_the_value_and_the_slopes_it_was_given():
    value = torch.tensor([1.5, -2.0])
    matrix, vector = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    by_matrix, by_vector = torch.randn(2, 3, 4), torch.randn(2, 3)
    result = envelope(value, (matrix, by_matrix), (vector, by_vector))
    assert torch.equal(result, value)
    (torch.tensor([1.0, 3.0]) * result).sum().backward()
    assert torch.allclose(matrix.grad, by_matrix * torch.tensor([1.0, 3.0])[:, None, None])
    assert torch.allclose(vector.grad, by_vector * torch.tensor([1.0, 3.0])[:, None])


def test_where_the_slope_is_zero_anything_may_stand():
    matrix = torch.tensor([[torch.nan, torch.inf, 1.0]], requires_grad=True)
    result = envelope(torch.zeros(1), (matrix, torch.tensor([[0.0, 0.0, 2.0]])))
    result.sum().backward()
    assert result.item() == 0
    assert torch.equal(matrix.grad, torch.tensor([[0.0, 0.0, 2.0]]))
