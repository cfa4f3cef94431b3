"""Find the held-out part of the embedded sample without importing the plugin that contains it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from otx.errors import DataError

HELD_OUT = "heldout.??.txt"
"""The held-out sentences, as written (``heldout.tok.XX.txt`` are the same, pre-tokenised)."""
TRAINING = "train.??.txt"
"""The training sentences."""


def sample_folder() -> Path:
    """Return the folder with HELD_OUT files and ``heldout.en-XX.{src-tgt,gold}``.

    Raises:
        DataError: If the sample is not installed.
    """
    spec = find_spec("otx_corpora")
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    for place in places:
        folder = Path(place) / "sample"
        if folder.is_dir():
            return folder
    raise DataError("the embedded sample is not installed", "give a folder with --data")
