"""Nearest neighbours among sentence or word vectors, by cosine or CSLS."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 1024
"""Number of rows whose similarities to all others are in memory at once."""


def cosine_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Return the cosines between the rows of two matrices.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.

    Returns:
        Cosines ``[N, M]``; a zero vector has cosine 0.
    """
    return functional.normalize(x, dim=1) @ functional.normalize(y, dim=1).mT


def csls(cosine: Tensor, neighbours: int) -> Tensor:
    """Return the cross-domain similarity local scaling (CSLS) of cosines.

    ``2 cos(x_i, y_j) - r(x_i) - r(y_j)``, where r is the mean cosine with the k nearest on the other side.

    Args:
        cosine: Cosines ``[N, M]``.
        neighbours: The number k; all neighbours if there are fewer.

    Returns:
        Scaled similarities ``[N, M]``.

    References:
        Conneau et al. (2018), "Word Translation Without Parallel Data", equation 3. https://arxiv.org/abs/1710.04087
    """
    rows = cosine.topk(min(neighbours, cosine.shape[1]), dim=1).values.mean(1)
    columns = cosine.topk(min(neighbours, cosine.shape[0]), dim=0).values.mean(0)
    return 2 * cosine - rows[:, None] - columns[None, :]


def nearest(similarity: Tensor) -> Tensor:
    """Return the column of each row's maximum.

    Args:
        similarity: Similarities ``[N, M]``.

    Returns:
        Columns ``[N]``, -1 for a row that holds NaN. Of equal maxima the first counts, so that a collapsed encoder
        finds its own sentence once.

    Example:
        >>> nearest(torch.tensor([[0.1, 0.9], [0.5, 0.5], [0.2, float("nan")]]))
        tensor([ 1,  0, -1])
    """
    return similarity.argmax(1).masked_fill(similarity.isnan().any(1), -1)


def nearest_rows(x: Tensor, y: Tensor) -> Tensor:
    """Return the row of ``y`` nearest by cosine to each row of ``x``.

    Computed in blocks of rows, which bounds memory.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.

    Returns:
        Rows of ``y`` ``[N]``, -1 for a vector that holds NaN.
    """
    x, y = functional.normalize(x, dim=1), functional.normalize(y, dim=1)
    starts = range(0, len(x), BLOCK)
    return torch.cat([nearest(x[start : start + BLOCK] @ y.mT) for start in starts])


def neighbours(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the rows of ``y`` nearest to each row of ``x`` by cosine.

    Computed in blocks of rows: memory does not grow with ``N x M``.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.
        count: Number of neighbours; all rows of ``y`` if there are fewer.

    Returns:
        Cosines ``[N, count]`` in decreasing order, and rows of ``y`` ``[N, count]``. A vector that holds NaN is no
        neighbour of any other and has none itself (cosine -inf).
    """
    kept = min(count, len(y))
    best = [block.topk(kept, dim=1) for block in _blocks(x, y)]
    return torch.cat([block.values for block in best]), torch.cat([block.indices for block in best])


def csls_nearest(x: Tensor, y: Tensor, count: int) -> Tensor:
    """Return the row of ``y`` nearest to each row of ``x`` by CSLS.

    Computed in blocks of rows, which bounds memory.

    The result is that of ``nearest(csls(...))``: r(x_i) is constant along a row and is left out.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.
        count: Number of neighbours in CSLS.

    Returns:
        Rows of ``y`` ``[N]``, -1 for a vector that holds NaN or where ``y`` is empty.
    """
    if not len(x) or not len(y):
        return torch.full((len(x),), -1)
    crowded = crowding(neighbours(y, x, count)[0])
    rows = []
    for block in _blocks(x, y):
        is_undefined = block.isneginf().all(1)
        rows.append(nearest(2 * block - crowded).masked_fill(is_undefined, -1))
    return torch.cat(rows)


def crowding(cosines: Tensor) -> Tensor:
    """Return the mean cosine of each vector with its neighbours, CSLS's r.

    Args:
        cosines: Cosines with the nearest neighbours ``[N, k]``; -inf where there is none.

    Returns:
        Mean of the finite cosines ``[N]``; infinite for a vector without neighbours.
    """
    is_finite = cosines.isfinite()
    total = cosines.where(is_finite, 0).sum(1)
    return torch.where(is_finite.any(1), total / is_finite.sum(1), torch.inf)


def _blocks(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    x, y = functional.normalize(x, dim=1), functional.normalize(y, dim=1)
    for start in range(0, len(x), BLOCK):
        yield (x[start : start + BLOCK] @ y.mT).nan_to_num(nan=-torch.inf)
