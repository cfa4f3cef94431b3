from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.testing import check_objective, example_pair
from otx.types import MaskedLogits
from otx.views import Masked
from otx_baselines.mlm import MaskedLanguageModelling
from otx_baselines.options import MlmOptions


def _objective() -> Any:
    return MaskedLanguageModelling(MlmOptions(), 6)


def test_it_is_the_mean_over_masked_subwords_in_nats() -> None:
    pair = example_pair(_objective().views, 6)
    rows, labels = pair[Masked].logits.tolist(), pair[Masked].labels.tolist()
    losses = [math.log(sum(map(math.exp, r))) - r[k] for r, k in zip(rows, labels, strict=True)]
    expected = sum(losses) / len(losses)
    assert _objective()(pair).value.item() == pytest.approx(expected, rel=1e-5)


def test_a_model_that_knows_nothing_is_at_the_logarithm_of_the_vocabulary() -> None:
    pair = example_pair(_objective().views, 6)
    pair.views[Masked] = MaskedLogits(torch.zeros(5, 1000), torch.arange(5))
    assert _objective()(pair).value.item() == pytest.approx(math.log(1000), rel=1e-6)


def test_nothing_masked_is_no_loss() -> None:
    pair = example_pair(_objective().views, 6)
    pair.views[Masked] = MaskedLogits(
        torch.zeros(0, 10, requires_grad=True), torch.zeros(0, dtype=torch.long)
    )
    assert _objective()(pair).value.item() == 0


def test_it_keeps_the_contract() -> None:
    check_objective(_objective, dimension=6)


def test_the_gradient_is_the_probability_less_one_at_the_right_sub_word() -> None:
    pair = example_pair(_objective().views, 6)
    _objective()(pair).value.backward()
    expected = torch.softmax(pair[Masked].logits.detach().double(), 1)
    expected[torch.arange(9), pair[Masked].labels] -= 1
    assert torch.allclose(pair[Masked].logits.grad.double(), expected / 9, atol=1e-7)
