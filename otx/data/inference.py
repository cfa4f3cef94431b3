"""Passing many texts through an encoder that is only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from otx.interfaces import Encoder
from otx.types import TokenRow


@contextmanager
def reading(encoder: Encoder) -> Iterator[None]:
    """Within, the encoder does not drop out and keeps no gradients; afterwards its mode is as before."""
    training = encoder.module.training
    encoder.module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        encoder.module.train(training)


def by_length(rows: Sequence[TokenRow], size: int) -> Iterator[list[int]]:
    """Indices of the rows in batches of ``size``, rows of similar length together."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def sentence_vectors(encoder: Encoder, rows: Sequence[TokenRow], layer: int, size: int) -> Tensor:
    """Mean-pooled sentence vectors ``[N, D]`` (float32, CPU) of ``rows`` in their order, ``size`` at a time."""
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    for indices in by_length(rows, size):
        batch = encoder.collate([rows[index] for index in indices])
        vectors = encoder.encode(batch, (layer,)).sentences(layer).float().cpu()
        for index, vector in zip(indices, vectors, strict=True):
            found[index] = vector
    return torch.stack(found)
