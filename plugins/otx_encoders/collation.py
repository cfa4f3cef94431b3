"""Pad rows of sub-words to a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from otx.types import TokenBatch, TokenRow


def collate(rows: Sequence[TokenRow], padding: int, device: torch.device) -> TokenBatch:
    """Pad rows on the right to the longest of them.

    Args:
        rows: At least one row.
        padding: Id of the padding.
        device: Device of the batch.

    Returns:
        The batch ``[B, T]``.
    """
    lengths = np.array([len(row.ids) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, padding)
    word_index = np.full(mask.shape, -1)
    ids[mask] = _joined((row.ids for row in rows), lengths)
    word_index[mask] = _joined((row.word_index for row in rows), lengths)
    return TokenBatch(
        copied_to(device, ids),
        copied_to(device, mask),
        copied_to(device, word_index),
        word_counts=(word_index.max(axis=1, initial=-1) + 1).tolist(),
        lengths=lengths.tolist(),
    )


def copied_to(device: torch.device, numbers: np.ndarray) -> Tensor:
    """Return numbers as a tensor on a device; on a CUDA device the copy does not wait for earlier work.

    Args:
        device: The device.
        numbers: The numbers.
    """
    tensor = torch.from_numpy(numbers)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=device.type == "cuda")


def _joined(rows: Iterable[Sequence[int]], lengths: np.ndarray) -> np.ndarray:
    return np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum()))
