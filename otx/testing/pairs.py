"""Small random batches with any views, to try an objective without an encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch

from otx.interfaces import View
from otx.types import EncodedPair, Sides
from otx.views import FakeBatch, States, by_kind
from otx.views.fakes import fake_encoded

LENGTHS = ((5, 4), (2, 3), (7, 6), (1, 2))
"""Default word counts of both sides of each pair."""


def example_pair(
    views: Collection[View[Any]],
    dimension: int = 8,
    *,
    lengths: Sequence[tuple[int, int]] = LENGTHS,
    seed: int = 0,
) -> EncodedPair:
    """Make a small random batch with the given views.

    Words have one to three sub-words, special tokens surround each text, and padding holds numbers as large as the
    rest. Hidden states and logits require gradients.

    Args:
        views: The views, such as ``objective.views``.
        dimension: Width of the vectors.
        lengths: Words of the source and of the pivot side of each pair; by default four pairs.
        seed: Seed of all random numbers.

    Returns:
        The batch, in float32 on the CPU.

    Example:
        >>> from otx.views import Links, States
        >>> pair = example_pair({States(layer=-1), Links()}, lengths=[(3, 2), (1, 1)])
        >>> vectors, mask = pair.source.words(layer=-1)
        >>> vectors.shape, mask.sum(1).tolist()
        (torch.Size([2, 3, 8]), [3, 1])
        >>> pair[Links].tolist()
        [[0, 0, 0], [0, 1, 1], [1, 0, 0]]
    """
    random = torch.Generator().manual_seed(seed)
    kinds = by_kind(views)
    layers = [view.layer for view in kinds.get(States, []) if isinstance(view, States)]
    layers = sorted(layers)
    sides = Sides(
        fake_encoded([source for source, _ in lengths], layers, dimension, random),
        fake_encoded([pivot for _, pivot in lengths], layers, dimension, random),
    )
    batch = FakeBatch(lengths, dimension, random, sides)
    values = {
        kind: kind.fake(group, batch) for kind, group in kinds.items() if not kind.holds_sides
    }
    return EncodedPair(sides.source, sides.pivot, values, frozenset(views))
