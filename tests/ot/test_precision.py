from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.ot.precision import at_least_float32, no_autocast, to_solver_dtype


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_raised_and_gradients_come_back(dtype: Any) -> None:
    tensor = torch.ones(2, dtype=dtype, requires_grad=True)
    at_least_float32(tensor).sum().backward()
    assert at_least_float32(tensor).dtype == torch.float32
    assert tensor.grad.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_full_precision_is_left_as_it_is(dtype: Any) -> None:
    tensor = torch.ones(2, dtype=dtype)
    assert at_least_float32(tensor) is tensor


def test_solvers_work_in_float64_detached() -> None:
    result = to_solver_dtype(torch.ones(2, requires_grad=True))
    assert result.dtype == torch.float64
    assert not result.requires_grad


def test_autocast_is_off_inside() -> None:
    matrix = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert (matrix @ matrix).dtype == torch.bfloat16
        with no_autocast(matrix):
            assert (matrix @ matrix).dtype == torch.float32
