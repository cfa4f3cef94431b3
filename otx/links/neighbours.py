"""Who is whose nearest neighbour among sentences or words, by cosine or CSLS, and whether it is the right one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 1024
"""Rows whose similarities to everything are in memory at once."""


def cosine_similarity(x: Tensor, y: Tensor) -> Tensor:
    """``[N, M]`` cosines between the rows of ``x [N, D]`` and ``y [M, D]``; a zero vector has cosine 0."""
    return functional.normalize(x, dim=1) @ functional.normalize(y, dim=1).mT


def csls(cosine: Tensor, neighbours: int) -> Tensor:
    """Cross-domain similarity local scaling of ``cosine [N, M]`` (Conneau et al. 2018, eq. 3).

    ``2 cos(x_i, y_j) - r(x_i) - r(y_j)``, r being the mean cosine with the k nearest on the other side; k is
    ``neighbours`` or as many as there are.
    """
    rows = cosine.topk(min(neighbours, cosine.shape[1]), dim=1).values.mean(1)
    columns = cosine.topk(min(neighbours, cosine.shape[0]), dim=0).values.mean(0)
    return 2 * cosine - rows[:, None] - columns[None, :]


def nearest(similarity: Tensor) -> Tensor:
    """``[N]``: the column of each row's maximum in ``similarity [N, M]``, -1 for a row that holds NaN.

    Of equal maxima the first counts, so that a collapsed encoder finds its own sentence once.
    """
    return similarity.argmax(1).masked_fill(similarity.isnan().any(1), -1)


def nearest_rows(x: Tensor, y: Tensor) -> Tensor:
    """Return the row of ``y [M, D]`` nearest by cosine to each row of ``x [N, D]``: ``nearest``, in blocks of rows."""
    x, y = functional.normalize(x, dim=1), functional.normalize(y, dim=1)
    starts = range(0, len(x), BLOCK)
    return torch.cat([nearest(x[start : start + BLOCK] @ y.mT) for start in starts])


def neighbours(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` (or as many as there are) rows of ``y [M, D]`` nearest to each row of ``x [N, D]`` by cosine.

    Their cosines ``[N, count]``, falling, and their places ``[N, count]``. Memory is that of a block of rows, not of
    ``N x M``; a vector that holds NaN is nobody's neighbour and has none (cosine -inf).
    """
    kept = min(count, len(y))
    found = [block.topk(kept, dim=1) for block in _blocks(x, y)]
    return torch.cat([own.values for own in found]), torch.cat([own.indices for own in found])


def csls_nearest(x: Tensor, y: Tensor, count: int) -> Tensor:
    """``[N]``: the row of ``y [M, D]`` nearest to each of ``x [N, D]`` by CSLS with ``count`` neighbours, in blocks.

    As ``nearest(csls(...))``: r(x_i) is the same along a row and so left out.
    """
    if not len(x) or not len(y):
        return torch.full((len(x),), -1)
    crowded = crowding(neighbours(y, x, count)[0])
    found = []
    for block in _blocks(x, y):
        nobody = block.isneginf().all(1)
        found.append(nearest(2 * block - crowded).masked_fill(nobody, -1))
    return torch.cat(found)


def crowding(cosines: Tensor) -> Tensor:
    """``[N]``: the mean of what is a number among ``cosines [N, k]``; infinite for a vector that has no neighbour."""
    there = cosines.isfinite()
    total = cosines.where(there, 0).sum(1)
    return torch.where(there.any(1), total / there.sum(1), torch.inf)


def _blocks(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    x, y = functional.normalize(x, dim=1), functional.normalize(y, dim=1)
    for start in range(0, len(x), BLOCK):
        yield (x[start : start + BLOCK] @ y.mT).nan_to_num(nan=-torch.inf)
