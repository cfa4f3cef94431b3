"""Load a model folder's tokenizer, and split texts into sub-words numbered by their words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from otx.data.tokenizer_rules import paused_collection
from otx.data.words import word_indices
from otx.errors import DataError, UsageError
from otx.types import TokenRow
from otx_encoders.checkpoint import first_line
from otx_encoders.model_io import quiet_transformers


def load_tokenizer(folder: Path, reference: str) -> Any:
    """Load the fast tokenizer of a model folder.

    Args:
        folder: The folder.
        reference: The model's name in messages.

    Returns:
        The tokenizer.

    Raises:
        DataError: If no tokenizer can be loaded, or if it has no padding token.
        UsageError: If the tokenizer is slow, without character offsets.
    """
    from transformers import AutoTokenizer

    try:
        with quiet_transformers(), paused_collection():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, use_fast=True, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        raise DataError(
            f"{reference}: no usable tokenizer: {first_line(error)}",
            "put tokenizer.json into the folder of the weights",
        ) from error
    if not tokenizer.is_fast:
        raise UsageError(
            f"{reference}: {type(tokenizer).__name__} is slow and gives no character offsets",
            "use a checkpoint that has a tokenizer.json",
        )
    # For a folder without a tokenizer, transformers makes one of the architecture's kind with special tokens alone.
    # Counting is enough: listing a vocabulary of 250,000 takes .3 s.
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise DataError(
            f"{reference}: no tokenizer", "put tokenizer.json into the folder of the weights"
        )
    if tokenizer.pad_token_id is None:
        raise DataError(
            f"{reference}: the tokenizer has no padding token", "set pad_token in its configuration"
        )
    return tokenizer


def tokenise(
    tokenizer: Any, texts: Sequence[str], max_length: int, *, pretokenised: bool
) -> list[TokenRow]:
    """Split texts into sub-words, with the word of each, and add special tokens.

    Args:
        tokenizer: A fast tokenizer.
        texts: The texts.
        max_length: Longest row in sub-words, special tokens included. A word that does not fit is cut whole.
        pretokenised: True if words are separated by white space.

    Returns:
        One row per text.
    """
    if not texts:
        return []
    # A list for each sub-word makes the collector search for cycles repeatedly.
    with paused_collection():
        encodings = tokenizer(
            list(texts), return_attention_mask=False, return_token_type_ids=False, verbose=False
        ).encodings
        ids = [encoding.ids for encoding in encodings]
        special = [encoding.special_tokens_mask for encoding in encodings]
        spans = chain.from_iterable(encoding.offsets for encoding in encodings)
        sizes = [len(row) for row in ids]
        count = sum(sizes)
        flat = np.fromiter(chain.from_iterable(spans), dtype=np.int64, count=2 * count)
    offsets = flat.reshape(-1, 2)
    offsets[np.fromiter(chain.from_iterable(special), dtype=bool, count=count)] = 0
    owners = np.repeat(np.arange(len(texts)), sizes)
    index = word_indices(texts, owners, offsets, pretokenised=pretokenised)
    words = _count_words(owners, index, len(texts))
    numbers, rows, start = index.tolist(), [], 0
    for number, size in enumerate(sizes):
        row = numbers[start : start + size]
        start += size
        if size <= max_length:
            rows.append(TokenRow(ids[number], row, words[number], 0))
        else:
            rows.append(_cut(ids[number], row, [one == 1 for one in special[number]], max_length))
    return rows


def _count_words(owners: np.ndarray, index: np.ndarray, texts: int) -> list[int]:
    """Return the number of different words of each text."""
    real = index >= 0
    keys = owners[real] * (index.max(initial=0) + 1) + index[real]
    steps = np.diff(keys, prepend=-1)
    if (steps < 0).any():
        # Sub-words that are not in the order of the text.
        keys = np.sort(keys)
        steps = np.diff(keys, prepend=-1)
    first = keys[steps > 0] // (index.max(initial=0) + 1)
    return np.bincount(first, minlength=texts).tolist()  # type: ignore[no-any-return]


def _cut(ids: list[int], index: list[int], special: list[bool], max_length: int) -> TokenRow:
    """Cut a row of sub-words to a length, between words."""
    content = [place for place, is_special in enumerate(special) if not is_special]
    capacity = max(0, max_length - (len(ids) - len(content)))
    lost = {index[place] for place in content[capacity:]} - {-1}
    dropped = {place for place in content if index[place] in lost}.union(content[capacity:])
    kept = [place for place in range(len(ids)) if place not in dropped]
    index = [index[place] for place in kept]
    return TokenRow([ids[place] for place in kept], index, len({*index} - {-1}), len(lost))
