"""Built-in encoders: Hugging Face checkpoints and the embedded mini."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx import hookimpl
from otx_encoders.options import EncoderOptions

if TYPE_CHECKING:
    from otx.registry import Registry


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the encoders."""
    registry.encoder(
        "mini",
        "otx_encoders.mini:MiniEncoder",
        "the embedded encoder: 4 layers of 256, languages en de es fr ru zh ar tr",
        EncoderOptions,
    )
    registry.encoder(
        "huggingface",
        "otx_encoders.huggingface:HuggingFaceEncoder",
        "any AutoModel encoder by Hub id or local folder (safetensors, fast tokenizer)",
        EncoderOptions,
    )
