"""The embedded encoder ``mini``."""

from __future__ import annotations

from pathlib import Path

from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

NAME = "mini"
FOLDER = Path(__file__).parent / NAME
"""Folder with the weights and the tokenizer."""


class MiniEncoder(HuggingFaceEncoder):
    """The encoder ``mini``: XLM-R's architecture with 7.4 M parameters.

    It was pre-trained for otx; see docs/mini.md.

    Args:
        reference: ``mini``, or a folder with an encoder that was aligned from it.
        options: Options of the encoders.
    """

    learning_rate = 1e-3
    """The best of the rates compared in docs/results/defaults.md."""

    def __init__(self, reference: str, options: EncoderOptions) -> None:
        super().__init__(str(FOLDER) if reference == NAME else reference, options)
        self.reference = reference
