"""Mine translations from two unaligned texts: pairs by margin, and the margin above which to accept them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from otx.links.neighbours import crowding, neighbours


class Mined(NamedTuple):
    """A mined pair.

    Attributes:
        source: Row of the source side.
        pivot: Row of the pivot side.
        margin: Cosine of the two rows relative to the cosines with their nearest neighbours.
    """

    source: int
    pivot: int
    margin: float


def mine(x: Tensor, y: Tensor, count: int) -> list[Mined]:
    """Return pairs of rows by decreasing margin, each row in at most one pair.

    The margin of a pair is its cosine divided by the mean of the cosines that the two rows have with their ``count``
    nearest rows on the other side ("ratio"). Each row proposes the neighbour of largest margin, in both directions.
    Proposals are accepted from the largest margin on if both rows are still free ("max" retrieval).

    Args:
        x: Source sentence vectors ``[N, D]``.
        y: Pivot sentence vectors ``[M, D]``.
        count: Number of nearest neighbours in the margin.

    Returns:
        The pairs.

    References:
        Artetxe and Schwenk (2019), "Margin-based Parallel Corpus Mining with Multilingual Sentence Embeddings".
        https://aclanthology.org/P19-1309
    """
    forward, backward = neighbours(x, y, count), neighbours(y, x, count)
    crowd_x, crowd_y = crowding(forward[0]), crowding(backward[0])
    proposals = {
        **_proposals(forward, crowd_x, crowd_y),
        **{(i, j): margin for (j, i), margin in _proposals(backward, crowd_y, crowd_x).items()},
    }
    taken: tuple[set[int], set[int]] = set(), set()
    mined = []
    for (i, j), margin in sorted(proposals.items(), key=lambda item: (-item[1], item[0])):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            mined.append(Mined(i, j, margin))
    return mined


def _proposals(
    near: tuple[Tensor, Tensor], crowd: Tensor, crowd_other: Tensor
) -> dict[tuple[int, int], float]:
    """Return each row's neighbour of largest margin; none for a row that holds NaN."""
    cosine, places = near
    margins = 2 * cosine / (crowd[:, None] + crowd_other[places])
    margins = torch.where(margins.isfinite(), margins, -torch.inf)
    best = margins.argmax(1, keepdim=True)
    chosen, values = places.gather(1, best).squeeze(1), margins.gather(1, best).squeeze(1)
    rows = zip(chosen.tolist(), values.tolist(), strict=True)
    return {(i, j): value for i, (j, value) in enumerate(rows) if value > -torch.inf}


def best_threshold(mined: Sequence[Mined], gold: set[tuple[int, int]]) -> tuple[float, float]:
    """Return the margin threshold with the highest F1 against gold pairs, and that F1.

    Args:
        mined: Mined pairs.
        gold: Gold pairs (source row, pivot row).

    Returns:
        The threshold, midway between two consecutive margins, and the F1 of the pairs above it. Of equally good
        thresholds the highest is taken. If no mined pair is right, the threshold is infinite: accept none.

    Example:
        >>> best_threshold([Mined(0, 0, 1.5), Mined(1, 1, 1.25), Mined(2, 0, 0.75)], {(0, 0), (1, 1)})
        (1.0, 1.0)
    """
    ordered = sorted(mined, key=lambda pair: -pair.margin)
    best, right = (float("inf"), 0.0), 0
    for place, pair in enumerate(ordered):
        right += (pair.source, pair.pivot) in gold
        f1 = 2 * right / (place + 1 + len(gold))
        if f1 > best[1]:
            later = ordered[place + 1].margin if place + 1 < len(ordered) else pair.margin
            best = ((pair.margin + later) / 2, f1)
    return best
