"""LoRA: low-rank adapters that are trained in place of an encoder's weights, by peft.

References:
    Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models". https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

from typing import Any

from torch import nn

from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.training.freezing import stack

SCALE = 2
"""alpha / rank, at its usual value."""


def add(encoder: Encoder, rank: int) -> None:
    """Freeze an encoder, and add a trained adapter to every linear map of its layers; it begins at 0.

    Args:
        encoder: The encoder, changed in place.
        rank: Rank of the adapters.

    Raises:
        UsageError: If peft is not installed, or the encoder's layers cannot be identified.
    """
    try:
        import peft
    except ImportError as error:
        raise UsageError("encoder.lora needs peft", 'pip install "otx[lora]"') from error
    inside = {id(part) for part in stack(encoder).modules() if isinstance(part, nn.Linear)}
    names = [name for name, part in encoder.module.named_modules() if id(part) in inside]
    config = peft.LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=names)
    peft.inject_adapter_in_model(config, encoder.module)


def merge(encoder: Encoder) -> None:
    """Merge the adapters into the weights, so that the encoder has its original modules again.

    Args:
        encoder: The encoder that ``add`` changed.
    """
    from peft.tuners.lora import LoraLayer

    parts: dict[str, Any] = dict(encoder.module.named_modules())
    added = {name: part for name, part in parts.items() if isinstance(part, LoraLayer)}
    for name, part in added.items():
        part.merge(safe_merge=True)
        parent, _, attribute = name.rpartition(".")
        setattr(encoder.module.get_submodule(parent), attribute, part.get_base_layer())
    encoder.module.requires_grad_(True)
