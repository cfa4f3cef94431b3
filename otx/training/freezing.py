"""The layers of an encoder: which are trained, and whether their states are kept or computed again."""

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
    """The encoder's layers, lowest first. Raises UsageError where they cannot be told from the rest."""
    for part in encoder.module.modules():
        if isinstance(part, nn.ModuleList) and len(part) == encoder.layers:
            return part
    raise UsageError(
        f"{encoder.reference}: no list of {encoder.layers} layers in {type(encoder.module).__name__}",
        "leave out encoder.freeze, encoder.recompute and encoder.lora for this encoder",
    )


def freeze(encoder: Encoder, parts: Sequence[Part]) -> None:
    """Take parts out of training: ``embeddings`` of every kind, ``lower`` half of the layers, ``upper`` half.

    Of an odd number of layers the middle one is in the upper half. A head that the encoder carries is in none.
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
    """Keep only what goes into each layer, and compute its inside again for the gradient (Chen et al. 2016).

    Values and gradients are the same, dropout included; memory falls by about the number of states in a layer, for
    one more forward pass.
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
