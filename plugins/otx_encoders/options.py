"""What can be set for an encoder, as ``[huggingface]`` or ``[mini]``."""

from __future__ import annotations

from dataclasses import dataclass

from otx.errors import UsageError


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Options of the encoders.

    max_length: longest sequence in sub-words, special tokens included, where the tokenizer and the
        position embeddings allow more; a text is cut there, never inside a word.
    """

    max_length: int | None = None

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 1:
            raise UsageError(
                f"max_length is {self.max_length}", "give a number of sub-words above 0"
            )
