"""Options of the encoders: tables ``[mini]``, ``[e5-small]`` and ``[huggingface]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from otx.config.validation import Constrained


@dataclass(frozen=True, slots=True)
class EncoderOptions(Constrained):
    """Options of the encoders, as ``[mini]``, ``[e5-small]`` or ``[huggingface]``.

    Attributes:
        max_length: Longest row in sub-words, special tokens included, if the tokenizer and the position embeddings
            allow more. Longer texts are cut between words. None for the longest that they allow.
    """

    max_length: Annotated[int, Gt(0)] | None = None
