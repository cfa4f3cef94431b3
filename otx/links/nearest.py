"""Sentence links: who is whose nearest neighbour, by cosine or CSLS, and whether it is the right one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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


def hits(similarity: Tensor) -> Tensor:
    """``[N]``: whether row i of ``similarity [N, N]`` is nearest to column i."""
    return nearest(similarity) == torch.arange(len(similarity), device=similarity.device)
