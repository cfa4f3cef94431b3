"""Count the operations of matrix products that an encoder needs, for useful sub-words only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

TRAINED = 3
"""Passes of a trained encoder: forward, and backward to activations and to weights."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a Transformer encoder.

    Attributes:
        layers: Number of layers.
        width: Width of a hidden state.
        inner: Width of the feed-forward layer.
    """

    layers: int
    width: int
    inner: int

    def forward(self, lengths: np.ndarray) -> float:
        """Return the operations of a forward pass over texts.

        A multiplication and an addition count as two operations. Each layer has four square maps and two of the
        feed-forward layer, and the products of attention: queries with keys, and weights with values.

        Args:
            lengths: Sub-words of each text, without padding.
        """
        maps = 2 * (4 * self.width**2 + 2 * self.width * self.inner) * lengths.sum()
        attention = 4 * self.width * np.square(lengths.astype(float)).sum()
        return float(self.layers * (maps + attention))

    def alignment(self, lengths: np.ndarray) -> float:
        """Return the operations of a training step: both sides trained, and the pivot side by a frozen encoder.

        Args:
            lengths: Sub-words of source and pivot of each pair ``[P, 2]``.
        """
        return TRAINED * self.forward(lengths.reshape(-1)) + self.forward(lengths[:, 1])


def padding_share(batches: Iterable[np.ndarray]) -> float:
    """Return the share of padding if each side of a batch is padded to its longest text.

    Args:
        batches: Sub-words of source and pivot of each batch's pairs ``[B, 2]``.
    """
    real = computed = 0
    for lengths in batches:
        real += int(lengths.sum())
        computed += len(lengths) * int(lengths.max(axis=0).sum())
    return 1 - real / computed
