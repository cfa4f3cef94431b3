from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.testing import check_objective, example_pair
from otx.types import EncodedPair, MaskedLogits, MissingViewError
from otx.views import Tlm
from otx_baselines.options import TlmOptions
from otx_baselines.tlm import TranslationLanguageModelling


def _objective() -> Any:
    return TranslationLanguageModelling(TlmOptions(), 4)


def test_it_is_the_mean_cross_entropy_of_the_shared_sequence() -> None:
    pair = example_pair(_objective().views, 4)
    losses = []
    for row, label in zip(pair[Tlm].logits.tolist(), pair[Tlm].labels.tolist(), strict=True):
        losses.append(math.log(sum(map(math.exp, row))) - row[label])
    assert _objective()(pair).value.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_the_right_sub_words_for_certain_are_no_loss() -> None:
    pair = example_pair(_objective().views, 4)
    pair.views[Tlm] = MaskedLogits(50 * torch.eye(9), torch.arange(9))
    assert _objective()(pair).value.item() == pytest.approx(0, abs=1e-6)


def test_it_keeps_the_contract() -> None:
    check_objective(_objective, dimension=4)


def test_without_its_view_it_says_so() -> None:
    pair = example_pair(_objective().views, 4)
    with pytest.raises(MissingViewError, match="no view Tlm"):
        _objective()(EncodedPair(pair.source, pair.pivot))


def test_the_gradient_is_the_probability_less_one_at_the_right_sub_word() -> None:
    pair = example_pair(_objective().views, 6)
    _objective()(pair).value.backward()
    expected = torch.softmax(pair[Tlm].logits.detach().double(), 1)
    expected[torch.arange(9), pair[Tlm].labels] -= 1
    assert torch.allclose(pair[Tlm].logits.grad.double(), expected / 9, atol=1e-7)
