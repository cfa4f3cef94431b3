"""Random values for tests, which imitate what an encoder returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from otx.types import Encoded, MaskedLogits, Sides
from otx.views.context import FakeBatch

MASKED, VOCABULARY = 9, 31
"""Masked sub-words of a random batch, and the size of its vocabulary."""


def fake_encoded(
    words: Sequence[int], layers: Iterable[int], dimension: int, random: torch.Generator
) -> Encoded:
    """Draw hidden states of one side, with one to three sub-words in a word and special tokens at both ends.

    Args:
        words: Words of each row.
        layers: Hidden layers, ascending.
        dimension: Width of the vectors.
        random: The generator.

    Returns:
        States that require gradients; padding holds numbers as large as the rest.
    """
    rows = []
    for count in words:
        sizes = torch.randint(1, 4, (count,), generator=random)
        inner = torch.arange(count).repeat_interleave(sizes).tolist()
        rows.append([-1, *inner, -1])
    width = max(len(row) for row in rows) + 1
    index = torch.tensor([row + [-1] * (width - len(row)) for row in rows])
    mask = torch.tensor([[t < len(row) for t in range(width)] for row in rows])
    shape = (len(rows), width, dimension)
    tokens = {layer: torch.randn(shape, generator=random).requires_grad_() for layer in layers}
    return Encoded(tokens, mask, index, tuple(words))


def fake_frozen(encoded: Encoded, random: torch.Generator) -> Encoded:
    """Draw what a similar frozen encoder returns for the same tokens.

    Args:
        encoded: The trained encoder's states.
        random: The generator.

    Returns:
        States without gradients, near the given ones.
    """
    tokens = {
        layer: states.detach() + 0.1 * torch.randn(states.shape, generator=random)
        for layer, states in encoded.tokens.items()
    }
    return replace(encoded, tokens=tokens)


def fake_frozen_sides(batch: FakeBatch, layers: Iterable[int]) -> Sides[Encoded]:
    """Draw what a similar frozen encoder returns for both sides.

    Args:
        batch: The random batch.
        layers: Hidden layers, ascending; one that the batch lacks is drawn at random.

    Returns:
        States without gradients.
    """
    sides = []
    for side in (batch.sides.source, batch.sides.pivot):
        shape = (*side.mask.shape, batch.dimension)
        tokens = {
            layer: side.tokens[layer]
            if layer in side.tokens
            else torch.randn(shape, generator=batch.random)
            for layer in layers
        }
        sides.append(fake_frozen(replace(side, tokens=tokens), batch.random))
    return Sides(*sides)


def fake_weights(words: Sequence[int], random: torch.Generator) -> Tensor:
    """Draw weights ``[B, W]`` between 1 and 2, 0 at padding.

    Args:
        words: Words of each row.
        random: The generator.
    """
    real = torch.arange(max(words)) < torch.tensor(words)[:, None]
    return (1 + torch.rand(real.shape, generator=random)).masked_fill(~real, 0)


def fake_logits(random: torch.Generator) -> MaskedLogits:
    """Draw the logits and labels of masked sub-words.

    Args:
        random: The generator.
    """
    logits = torch.randn(MASKED, VOCABULARY, generator=random, requires_grad=True)
    return MaskedLogits(logits, torch.randint(VOCABULARY, (MASKED,), generator=random))


def pad_encoded(encoded: Encoded, count: int) -> Encoded:
    """Add padding that holds other numbers, and change those that padding holds already.

    Args:
        encoded: One side of a batch.
        count: Sub-words to add.

    Returns:
        The same text, without gradients.
    """
    rows = len(encoded.mask)
    tokens = {}
    for layer, states in encoded.tokens.items():
        changed = torch.where(encoded.mask[:, :, None], states.detach(), 2.5)
        tokens[layer] = torch.cat((changed, torch.full((rows, count, changed.shape[2]), -1.5)), 1)
    mask = torch.cat((encoded.mask, encoded.mask.new_zeros(rows, count)), 1)
    index = torch.cat((encoded.word_index, encoded.word_index.new_full((rows, count), -1)), 1)
    return Encoded(tokens, mask, index, encoded.word_counts)
