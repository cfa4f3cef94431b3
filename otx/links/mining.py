"""Mining translations out of two texts that are not aligned: pairs by margin, and the margin from which to believe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from otx.links.neighbours import crowding, neighbours


class Mined(NamedTuple):
    """Row ``source`` of one side, row ``pivot`` of the other, and how much nearer they are than their neighbours."""

    source: int
    pivot: int
    margin: float


def mine(x: Tensor, y: Tensor, count: int) -> list[Mined]:
    """Pairs of rows of ``x [N, D]`` and ``y [M, D]`` by falling margin, each row in one pair at most.

    The margin of a pair is its cosine over the mean of the cosines that either has with its ``count`` nearest on the
    other side (Artetxe & Schwenk 2019, ratio). Each row proposes the neighbour of largest margin, in both directions;
    of the proposals, the largest margin first, those are kept whose rows are both free ("max" retrieval).
    """
    forward, backward = neighbours(x, y, count), neighbours(y, x, count)
    crowd_x, crowd_y = crowding(forward[0]), crowding(backward[0])
    proposals = {
        **_proposals(forward, crowd_x, crowd_y),
        **{(i, j): margin for (j, i), margin in _proposals(backward, crowd_y, crowd_x).items()},
    }
    taken: tuple[set[int], set[int]] = set(), set()
    found = []
    for (i, j), margin in sorted(proposals.items(), key=lambda item: (-item[1], item[0])):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            found.append(Mined(i, j, margin))
    return found


def _proposals(
    near: tuple[Tensor, Tensor], crowd: Tensor, crowd_other: Tensor
) -> dict[tuple[int, int], float]:
    """Each row's neighbour of largest margin; none for a row without number."""
    cosine, places = near
    margins = 2 * cosine / (crowd[:, None] + crowd_other[places])
    margins = torch.where(margins.isfinite(), margins, -torch.inf)
    best = margins.argmax(1, keepdim=True)
    chosen, values = places.gather(1, best).squeeze(1), margins.gather(1, best).squeeze(1)
    rows = zip(chosen.tolist(), values.tolist(), strict=True)
    return {(i, j): value for i, (j, value) in enumerate(rows) if value > -torch.inf}


def best_threshold(mined: Sequence[Mined], gold: set[tuple[int, int]]) -> tuple[float, float]:
    """(margin from which pairs are believed, F1 there) at which F1 against the ``gold`` pairs is highest.

    Between two margins that follow one another it lies in the middle; of equally good ones the highest is taken. With
    nothing right among the mined it is infinite: believe none.
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
