"""Built-in encoders: Hugging Face checkpoints, the embedded mini, and e5-small from its package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx import hookimpl
from otx_encoders.options import EncoderOptions

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry


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
        "e5-small",
        "otx_encoders.e5_small:E5SmallEncoder",
        "multilingual-e5-small (MIT), 4-bit weights; needs otx[e5]",
        EncoderOptions,
    )
    registry.encoder(
        "huggingface",
        "otx_encoders.huggingface:HuggingFaceEncoder",
        "any AutoModel encoder by Hub id or local folder (safetensors, fast tokenizer)",
        EncoderOptions,
    )
