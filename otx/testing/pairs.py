"""Random batches with any views, for trying an objective without an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from otx.types import Encoded, EncodedPair, Masked, Needs

LENGTHS = ((5, 4), (2, 3), (7, 6), (1, 2))
"""Words of the source and of the pivot side in each pair of the batch that is tried."""


def random_pair(
    needs: Needs,
    dimension: int,
    *,
    lengths: Sequence[tuple[int, int]] = LENGTHS,
    seed: int = 0,
) -> EncodedPair:
    """A random batch with the views that ``needs`` names; hidden states and logits want gradients.

    ``lengths`` are the words of both sides of each pair. Words have one to three sub-words, special
    tokens stand at both ends, and padding holds numbers as large as the rest.
    """
    random = torch.Generator().manual_seed(seed)
    pair = EncodedPair(
        _encoded([source for source, _ in lengths], needs.layers, dimension, random),
        _encoded([pivot for _, pivot in lengths], needs.layers, dimension, random),
    )
    if needs.reference:
        pair.reference_source = _beside(pair.source, random)
        pair.reference_pivot = _beside(pair.pivot, random)
    if needs.links:
        rows = [(n, i, i) for n, (s, p) in enumerate(lengths) for i in range(min(s, p))]
        pair.links = torch.tensor(rows)
    if needs.idf:
        pair.source_idf = _weights([source for source, _ in lengths], random)
        pair.pivot_idf = _weights([pivot for _, pivot in lengths], random)
    if needs.masked:
        pair.masked = _masked(random)
    if needs.tlm:
        pair.tlm = _masked(random)
    if needs.momentum:
        pair.momentum_source = _beside(pair.source, random)
        pair.momentum_pivot = _beside(pair.pivot, random)
    if needs.teacher:
        pivots = [pivot for _, pivot in lengths]
        teacher = _encoded(pivots, (-1,), dimension, random)
        pair.teacher_pivot = _beside(teacher, random)
    if needs.parameters:
        shapes = [(dimension, dimension), (dimension,)]
        initial = [torch.randn(shape, generator=random) for shape in shapes]
        moved = [p + 0.1 * torch.randn(p.shape, generator=random) for p in initial]
        pair.parameters = [(now.requires_grad_(), p) for now, p in zip(moved, initial, strict=True)]
    return pair


def _encoded(
    words: Sequence[int], layers: Sequence[int], dimension: int, random: torch.Generator
) -> Encoded:
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
    return Encoded(tokens, mask, index)


def _masked(random: torch.Generator) -> Masked:
    logits = torch.randn(9, 31, generator=random, requires_grad=True)
    return Masked(logits, torch.randint(31, (9,), generator=random))


def _beside(encoded: Encoded, random: torch.Generator) -> Encoded:
    """What a frozen encoder not far away would say of the same tokens."""
    tokens = {
        layer: states.detach() + 0.1 * torch.randn(states.shape, generator=random)
        for layer, states in encoded.tokens.items()
    }
    return Encoded(tokens, encoded.mask, encoded.word_index)


def _weights(words: Sequence[int], random: torch.Generator) -> Tensor:
    real = torch.arange(max(words)) < torch.tensor(words)[:, None]
    return (1 + torch.rand(real.shape, generator=random)).masked_fill(~real, 0)
