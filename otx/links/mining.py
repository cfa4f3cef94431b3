"""Mine translations from two unaligned texts: pairs by margin, and the margin above which to accept them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from otx.links.neighbours import Neighbours, mutual_neighbours


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
    of_x, of_y = mutual_neighbours(x, y, count)
    crowd_x, crowd_y = of_x.crowding(), of_y.crowding()
    i, j, margin = _proposals(of_x, crowd_x, crowd_y)
    other_j, other_i, other = _proposals(of_y, crowd_y, crowd_x)
    i, j = np.concatenate([i, other_i]), np.concatenate([j, other_j])
    margin = np.concatenate([margin, other])
    # What both directions propose comes twice; the second time, its rows are taken.
    order = np.lexsort((j, i, -margin))
    is_free_x, is_free_y = bytearray(b"\1" * len(x)), bytearray(b"\1" * len(y))
    mined = []
    rows = (column[order].tolist() for column in (i, j, margin))
    for source, pivot, value in zip(*rows, strict=True):
        if is_free_x[source] and is_free_y[pivot]:
            is_free_x[source] = is_free_y[pivot] = 0
            mined.append(Mined(source, pivot, value))
    return mined


def _proposals(
    near: Neighbours, crowd: Tensor, crowd_other: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row, its neighbour of largest margin, and that margin; none for a row that holds NaN."""
    if not near.places.shape[1]:
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros(0)
    margins = 2 * near.cosines / (crowd[:, None] + crowd_other[near.places])
    margins = torch.where(margins.isfinite(), margins, -torch.inf)
    best = margins.argmax(1, keepdim=True)
    values = margins.gather(1, best).squeeze(1)
    rows = (values > -torch.inf).nonzero()[:, 0]
    chosen = near.places.gather(1, best).squeeze(1)
    return rows.cpu().numpy(), chosen[rows].cpu().numpy(), values[rows].cpu().numpy()


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
