"""Encode texts without training: evaluation mode, batches by length, sentence vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from otx.interfaces import Encoder
from otx.types import TokenRow


@contextmanager
def reading(encoder: Encoder) -> Iterator[None]:
    """Put an encoder in evaluation mode without gradients within the context.

    Args:
        encoder: The encoder. Its mode is restored afterwards.
    """
    training = encoder.module.training
    encoder.module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        encoder.module.train(training)


def by_length(rows: Sequence[TokenRow], size: int) -> Iterator[list[int]]:
    """Yield batches of row indices, rows of similar length together.

    Args:
        rows: The rows.
        size: Rows per batch.
    """
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def batches_of_tokens(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Yield batches of similar length, longest first, so that a batch beyond the device's memory fails at once.

    Args:
        lengths: Length of each item ``[N]``.
        tokens: Maximum length of a batch, every item padded to the longest. A longer item is a batch of its own.

    Yields:
        Numbers of the items of a batch.

    Example:
        >>> [batch.tolist() for batch in batches_of_tokens(np.array([2, 9, 3, 2]), 6)]
        [[1], [2, 0], [3]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        end = start + max(tokens // max(int(lengths[order[start]]), 1), 1)
        yield order[start:end]
        start = end


def sentence_vectors(encoder: Encoder, rows: Sequence[TokenRow], layer: int, size: int) -> Tensor:
    """Return the mean-pooled vectors of sentences.

    Args:
        encoder: The encoder.
        rows: N rows of sub-words.
        layer: Hidden layer to average over; -1 is the last.
        size: Rows per batch.

    Returns:
        Vectors ``[N, D]`` (float32, on the CPU) in the order of ``rows``.
    """
    sentences: list[Tensor] = [torch.empty(0)] * len(rows)
    for indices in by_length(rows, size):
        batch = encoder.collate([rows[index] for index in indices])
        vectors = encoder.encode(batch, (layer,)).sentences(layer).float().cpu()
        for index, vector in zip(indices, vectors, strict=True):
            sentences[index] = vector
    return torch.stack(sentences)
