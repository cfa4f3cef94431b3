"""Training low-rank additions to an encoder's linear maps in place of its weights (Hu et al. 2022), by peft."""

from __future__ import annotations

from typing import Any

from torch import nn

from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.training.freezing import stack

SCALE = 2
"""alpha / rank: the additions count twice, as is usual."""


def add(encoder: Encoder, rank: int) -> None:
    """Freeze the encoder and give every linear map of its layers a trained addition of ``rank``, which begins at 0.

    Raises UsageError where peft is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise UsageError("encoder.lora needs peft", 'pip install "otx[lora]"') from error
    inside = {id(part) for part in stack(encoder).modules() if isinstance(part, nn.Linear)}
    names = [name for name, part in encoder.module.named_modules() if id(part) in inside]
    wanted = peft.LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=names)
    peft.inject_adapter_in_model(wanted, encoder.module)


def merge(encoder: Encoder) -> None:
    """Add what was trained to the weights: the encoder has its own parts again, and nothing of peft's."""
    from peft.tuners.lora import LoraLayer

    parts: dict[str, Any] = dict(encoder.module.named_modules())
    added = {name: part for name, part in parts.items() if isinstance(part, LoraLayer)}
    for name, part in added.items():
        part.merge(safe_merge=True)
        above, _, own = name.rpartition(".")
        setattr(encoder.module.get_submodule(above), own, part.get_base_layer())
    encoder.module.requires_grad_(True)
