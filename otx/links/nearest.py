"""Sentence links: who is whose nearest neighbour, by cosine or CSLS, and whether it is the right one."""

from __future__ import annotations

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


def hits(similarity: Tensor) -> Tensor:
    """``[N]``: whether row i of ``similarity [N, N]`` has its maximum at column i.

    Of equal maxima only the first column counts, so that a collapsed encoder scores chance; NaN never hits.
    """
    own = similarity.diagonal()[:, None]
    tied_before = (similarity == own).tril(-1).any(1)
    best: Tensor = (own >= similarity).all(1) & ~tied_before
    return best
