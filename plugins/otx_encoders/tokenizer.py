"""A model folder's tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otx.data.tokenizer_rules import paused_collection
from otx.errors import DataError, UsageError
from otx_encoders.checkpoint import first_line
from otx_encoders.quiet import quiet


def load_tokenizer(folder: Path, reference: str) -> Any:
    """The fast tokenizer of a folder.

    Raises DataError if none can be loaded, UsageError if it is a slow one without offsets.
    """
    from transformers import AutoTokenizer

    try:
        with quiet(), paused_collection():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, use_fast=True, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        raise DataError(
            f"{reference}: no usable tokenizer: {first_line(error)}",
            "put tokenizer.json beside the weights",
        ) from error
    if not tokenizer.is_fast:
        raise UsageError(
            f"{reference}: {type(tokenizer).__name__} is slow and gives no character offsets",
            "use a checkpoint that has a tokenizer.json",
        )
    # A folder without one gets a tokenizer of the architecture's kind with special tokens alone. Counting is enough:
    # listing a vocabulary of 250,000 takes .3 s.
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise DataError(f"{reference}: no tokenizer", "put tokenizer.json beside the weights")
    if tokenizer.pad_token_id is None:
        raise DataError(
            f"{reference}: the tokenizer has no padding token", "set pad_token in its configuration"
        )
    return tokenizer
