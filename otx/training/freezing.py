"""Freezing of parts of an encoder, and recomputation of its activations in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.training.vocabulary import OccurringRows
from otx.types import Part


def stack(encoder: Encoder) -> nn.ModuleList:
    """Return the encoder's layers, lowest first.

    Args:
        encoder: The encoder.

    Raises:
        UsageError: If its module has no list of as many modules as the encoder has layers.
    """
    for part in encoder.module.modules():
        if isinstance(part, nn.ModuleList) and len(part) == encoder.layers:
            return part
    raise UsageError(
        f"{encoder.reference}: no list of {encoder.layers} layers in {type(encoder.module).__name__}",
        "leave out encoder.freeze, encoder.recompute and encoder.lora for this encoder",
    )


def freeze(encoder: Encoder, parts: Sequence[Part]) -> None:
    """Exclude parts of an encoder from training.

    Args:
        encoder: The encoder, changed in place.
        parts: ``embeddings`` of every kind, the ``lower`` half of the layers, the ``upper`` half. The middle one of an
            odd number of layers belongs to the upper half. A head that the encoder has belongs to no part.

    Raises:
        UsageError: If the encoder's layers cannot be identified.
    """
    if not parts:
        return
    layers = stack(encoder)
    half = len(layers) // 2
    frozen: dict[Part, Sequence[nn.Module]] = {
        "embeddings": list(_embeddings(encoder.module)),
        "lower": list(layers[:half]),
        "upper": list(layers[half:]),
    }
    for part in parts:
        for module in frozen[part]:
            module.requires_grad_(False)


def recompute(encoder: Encoder) -> None:
    """Keep only the input of each layer, and recompute its activations in the backward pass.

    Values and gradients are the same, dropout included. Memory falls by about the number of states in a layer, at the
    cost of one more forward pass.

    Args:
        encoder: The encoder, changed in place.

    References:
        Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost". https://arxiv.org/abs/1604.06174
    """
    for layer in stack(encoder):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def _embeddings(module: nn.Module) -> Iterator[nn.Module]:
    for name, part in module.named_modules():
        if (
            isinstance(part, nn.Embedding | OccurringRows)
            or name.rpartition(".")[2] == "embeddings"
        ):
            yield part
