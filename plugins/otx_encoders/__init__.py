"""Built-in encoders: Hugging Face checkpoints, the embedded ``mini``, and ``e5-small`` from its package.

Options are here, next to their registration: nothing in this file imports torch or transformers. A new encoder is a
file with a subclass of ``HuggingFaceEncoder`` or ``otx.interfaces.Encoder``, and one call in ``otx_register``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt

from otx import hookimpl
from otx.config.validation import Constrained

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry


@dataclass(frozen=True, slots=True)
class EncoderOptions(Constrained):
    """Options of the encoders, as ``[mini]``, ``[e5-small]`` or ``[huggingface]``.

    Attributes:
        max_length: Longest row in sub-words, special tokens included, if the tokenizer and the position embeddings
            allow more. Longer texts are cut between words. None for the longest that they allow.
    """

    max_length: Annotated[int, Gt(0)] | None = None


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
