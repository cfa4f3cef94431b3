"""Built-in encoders: Hugging Face checkpoints, the embedded ``mini``, and ``e5-small`` from its package.

Nothing in this file imports torch, transformers or the options. A new encoder is a file with a subclass of
``HuggingFaceEncoder`` or ``otx.interfaces.Encoder``, and one call in ``otx_register``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx import hookimpl

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

OPTIONS = "otx_encoders.options:EncoderOptions"


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the encoders.

    Args:
        registry: The registry of the process.
    """
    registry.encoder(
        "mini",
        "otx_encoders.mini:MiniEncoder",
        "the embedded encoder: 4 layers of 256, languages en de es fr ru zh ar tr",
        OPTIONS,
    )
    registry.encoder(
        "e5-small",
        "otx_encoders.e5_small:E5SmallEncoder",
        "multilingual-e5-small (MIT), 4-bit weights; needs otx[e5]",
        OPTIONS,
    )
    registry.encoder(
        "huggingface",
        "otx_encoders.huggingface:HuggingFaceEncoder",
        "any AutoModel encoder by Hub id or local folder (safetensors, fast tokenizer)",
        OPTIONS,
    )
