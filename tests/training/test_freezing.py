"""Freezing and recomputing on small BERT, DistilBERT and XLM-R models of three layers."""

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from otx.errors import UsageError
from otx.training.freezing import freeze, recompute, stack

SIZES: dict[str, dict[str, int]] = {
    "BertForMaskedLM": {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2},
    "XLMRobertaModel": {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2},
    "DistilBertForMaskedLM": {"dim": 8, "n_layers": 3, "n_heads": 2, "hidden_dim": 16},
}


class Small:
    """As much of an encoder as its layers are found by."""

    reference = "small"

    def __init__(self, architecture: str, layers: int = 3) -> None:
        torch.manual_seed(0)
        kind: Any = getattr(transformers, architecture)
        config = kind.config_class(vocab_size=50, intermediate_size=16, **SIZES[architecture])
        self.module = kind(config)
        self.layers = layers

    def states(self, ids: Tensor) -> Tensor:
        states: Tensor = self.module.base_model(input_ids=ids).last_hidden_state
        return states


def place(name: str) -> str | int | None:
    """Which part a parameter is of: its layer's number, the embeddings, or None."""
    if "embeddings" in name:
        return "embeddings"
    parts = name.split(".")
    return int(parts[parts.index("layer") + 1]) if "layer" in parts else None


@pytest.mark.parametrize("architecture", SIZES)
@pytest.mark.parametrize(
    ("parts", "frozen"),
    [
        ([], set()),
        (["embeddings"], {"embeddings"}),
        (["lower"], {0}),
        (["upper"], {1, 2}),
        (["embeddings", "lower"], {"embeddings", 0}),
    ],
)
def test_frozen_parts_get_no_gradient_and_the_others_do(
    architecture: str, parts: list[Any], frozen: set[Any]
) -> None:
    small: Any = Small(architecture)
    freeze(small, parts)
    small.states(torch.tensor([[3, 4, 5]])).square().sum().backward()
    for name, parameter in small.module.named_parameters():
        where = place(name)
        if where is None:
            continue
        assert parameter.requires_grad == (where not in frozen), name
        assert (parameter.grad is None) == (where in frozen), name


@pytest.mark.parametrize("architecture", SIZES)
def test_recomputed_states_and_gradients_are_the_same(architecture: str) -> None:
    ids = torch.randint(3, 50, (2, 7))
    found = []
    for again in (False, True):
        small: Any = Small(architecture)
        small.module.train()
        if again:
            recompute(small)
        torch.manual_seed(5)
        states = small.states(ids)
        states.square().sum().backward()
        gradients = [p.grad for p in small.module.parameters() if p.grad is not None]
        found.append([states.detach(), *gradients])
    assert len(found[0]) == len(found[1])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_recomputing_keeps_fewer_states() -> None:
    kept = []
    for again in (False, True):
        small: Any = Small("BertForMaskedLM")
        if again:
            recompute(small)
        sizes: list[int] = []

        def keep(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            small.states(torch.randint(3, 50, (2, 7)))
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 3


def test_a_model_whose_layers_are_not_found_is_refused() -> None:
    small: Any = Small("BertForMaskedLM", layers=5)
    with pytest.raises(UsageError, match="small: no list of 5 layers in BertForMaskedLM"):
        stack(small)
