from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from otx.data.inference import by_length, reading
from otx.types import TokenRow


def test_reading_restores_the_mode_even_after_an_error() -> None:
    encoder: Any = SimpleNamespace(module=nn.Linear(1, 1))
    encoder.module.train()
    with pytest.raises(RuntimeError), reading(encoder):
        assert not encoder.module.training
        assert not torch.is_grad_enabled()
        raise RuntimeError
    assert encoder.module.training
    assert torch.is_grad_enabled()


def test_every_row_once_in_order_of_length() -> None:
    rows = [TokenRow([0] * n, [0] * n, n, 0) for n in (5, 1, 4, 2, 3)]
    assert list(by_length(rows, 2)) == [[1, 3], [4, 2], [0]]
