"""Pad sub-words that a task arranged itself into a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from otx.interfaces import Encoder
from otx.types import TokenBatch, TokenRow

Sequences = Sequence[tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.bool_]]]
"""For each sequence: ids, type ids and a mask of the special tokens, all ``[T]``."""


def padded(encoder: Encoder, sequences: Sequences) -> TokenBatch:
    """Pad sequences to the longest of them.

    Every sub-word counts as a word of its own.

    Args:
        encoder: Encoder that the batch is for, on whose device it is created.
        sequences: Ids, type ids and special tokens of each sequence, ``[T]``.

    Returns:
        The batch; it has type ids if the encoder's tokenizer lists them among its model's inputs.
    """
    rows = []
    for ids, _, special in sequences:
        index = np.where(special, -1, np.cumsum(~special) - 1)
        rows.append(TokenRow(ids.tolist(), index.tolist(), words=int((~special).sum()), cut=0))
    batch = encoder.collate(rows)
    if "token_type_ids" in encoder.tokenizer.model_input_names:
        types = torch.zeros_like(batch.ids)
        for number, (_, kinds, _) in enumerate(sequences):
            types[number, : len(kinds)] = torch.from_numpy(kinds.astype(np.int64)).to(types.device)
        batch.type_ids = types
    return batch
