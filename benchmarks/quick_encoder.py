"""A plugin file with an encoder for benchmarks of data: ``mini`` with a tokenizer that takes microseconds.

    otx --plugin benchmarks/quick_encoder.py align --model quick ...

Each word at white space is one sub-word, chosen by a checksum. Its numbers mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from otx import hookimpl

FIRST, COUNT = 10, 15_000
"""First sub-word of a word, and number of sub-words of words; ``mini`` has 16,000."""


@hookimpl
def otx_register(registry: Any) -> None:
    """Register the encoder.

    Args:
        registry: The registry of the process.
    """
    registry.encoder("quick", f"{__name__}:Quick", "mini with a tokenizer of one look-up per word")


def __getattr__(name: str) -> Any:
    """Return the class ``Quick``, made when it is first needed: registering must not import torch."""
    if name != "Quick":
        raise AttributeError(name)

    import otx_encoders
    from otx.types import TokenRow
    from otx_encoders.huggingface import HuggingFaceEncoder
    from otx_encoders.options import EncoderOptions

    class Quick(HuggingFaceEncoder):
        """``mini`` with another tokenizer."""

        def __init__(self, reference: str, options: Any) -> None:
            super().__init__(str(Path(otx_encoders.__file__).parent / "mini"), EncoderOptions())

        def tokenise(
            self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
        ) -> list[TokenRow]:
            limit = min(max_length or self.max_length, self.max_length) - 2
            return [_row(text.split(), limit) for text in texts]

    def _row(words: list[str], limit: int) -> TokenRow:
        ids = [FIRST + crc32(word.encode()) % COUNT for word in words[:limit]]
        index = [-1, *range(len(ids)), -1]
        return TokenRow([0, *ids, 2], index, len(ids), len(words) - len(ids))

    return Quick
