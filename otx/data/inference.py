"""Encode texts without training: evaluation mode, batches by length, sentence vectors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from otx.data.cache import cache_folder, unwritable
from otx.files.arrays import reserve
from otx.interfaces import Encoder
from otx.types import TokenRow

CHUNK = 16_384
"""Texts whose sub-words are in memory together."""
IN_MEMORY = 2**28
"""Largest matrix of sentence vectors that is kept in memory, in bytes."""


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
    vectors = torch.empty(len(rows), encoder.dimension)
    _encode_into(vectors, encoder, rows, layer, size)
    return vectors


def encode_texts(
    encoder: Encoder, texts: Sequence[str], layer: int, size: int
) -> tuple[Tensor, list[int]]:
    """Return the mean-pooled vectors of texts, however many.

    The sub-words of ``CHUNK`` texts at a time are in memory. Vectors of more than ``IN_MEMORY`` bytes are in a file
    in the cache folder, which the operating system removes with the tensor; its pages are read when they are used.

    Args:
        encoder: The encoder.
        texts: N texts.
        layer: Hidden layer to average over; -1 is the last.
        size: Texts per batch.

    Returns:
        Vectors ``[N, D]`` (float32, on the CPU), and the number of words that each text lost to the length limit.

    Raises:
        DataError: If the cache cannot be written.
    """
    vectors = _room(len(texts), encoder.dimension)
    cut: list[int] = []
    for start in range(0, len(texts), CHUNK):
        rows = encoder.tokenise(texts[start : start + CHUNK])
        _encode_into(vectors[start : start + CHUNK], encoder, rows, layer, size)
        cut += [row.cut for row in rows]
    return vectors, cut


def _encode_into(
    vectors: Tensor, encoder: Encoder, rows: Sequence[TokenRow], layer: int, size: int
) -> None:
    for indices in by_length(rows, size):
        batch = encoder.collate([rows[index] for index in indices])
        vectors[indices] = encoder.encode(batch, (layer,)).sentences(layer).float().cpu()


def _room(count: int, width: int) -> Tensor:
    """Return a float32 matrix in memory, or in a file without a name."""
    if 4 * count * width <= IN_MEMORY:
        return torch.empty(count, width)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            reserve(file, 4 * count * width)
            room = torch.from_file(file.name, shared=True, size=count * width)
    except OSError as error:
        raise unwritable(folder, error) from error
    return room.view(count, width)
