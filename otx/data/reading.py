"""Passing many texts through an encoder that is only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from otx.types import Encoder, TokenRow


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
