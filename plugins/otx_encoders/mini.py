"""The embedded encoder."""

from __future__ import annotations

from pathlib import Path

from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

FOLDER = Path(__file__).parent / "mini"


class MiniEncoder(HuggingFaceEncoder):
    """``mini``: XLM-R's shape in 7.4 M parameters, pre-trained for otx; see docs/mini.md."""

    def __init__(self, reference: str, options: EncoderOptions) -> None:
        super().__init__(str(FOLDER), options)
        self.reference = reference
