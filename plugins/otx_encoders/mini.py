"""The embedded encoder."""

from __future__ import annotations

from pathlib import Path

from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

NAME = "mini"
FOLDER = Path(__file__).parent / NAME


class MiniEncoder(HuggingFaceEncoder):
    """``mini``: XLM-R's shape in 7.4 M parameters, pre-trained for otx; see docs/mini.md.

    ``reference`` is ``mini``, or a folder with one that was aligned.
    """

    learning_rate = 1e-3
    """The best of those tried in docs/results/defaults.md."""

    def __init__(self, reference: str, options: EncoderOptions) -> None:
        super().__init__(str(FOLDER) if reference == NAME else reference, options)
        self.reference = reference
