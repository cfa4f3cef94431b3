"""Word links out of the vectors of two sentences.

The functions of one pair take a similarity ``[N, M]`` of N source and M target words, or a
transport plan of that shape, and return the linked (source, target) words. Of equal values the
first counts. Similarities are computed in float32 or better, whatever autocast says.
"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import Links

LINKED_DISCOUNT = 0.9


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Cosines ``[..., N, M]`` of ``x [..., N, D]`` and ``y [..., M, D]``; a zero vector gives 0."""
    with no_autocast(x):
        return (
            functional.normalize(at_least_float32(x), dim=-1)
            @ functional.normalize(at_least_float32(y), dim=-1).mT
        )


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Dot products ``[..., N, M]`` of ``x [..., N, D]`` and ``y [..., M, D]``."""
    with no_autocast(x):
        return at_least_float32(x) @ at_least_float32(y).mT


def forward(similarity: Tensor) -> Links:
    """Every source word with its nearest target word."""
    return _links(_forward(similarity))


def reverse(similarity: Tensor) -> Links:
    """Every target word with its nearest source word."""
    return _links(_forward(similarity.mT).mT)


def argmax(similarity: Tensor) -> Links:
    """Words that are each other's nearest (Jalili Sabet et al. 2020, "Argmax")."""
    return _links(_mutual(similarity))


def itermax(similarity: Tensor) -> Links:
    """Mutual nearest words by cosine, then once more among pairs that hold a word without a link.

    Jalili Sabet et al. 2020, "Itermax" with two rounds, as SimAlign computes it: cosines are mapped
    to 0..1, and in the second round a pair of which one word is linked already counts
    ``LINKED_DISCOUNT`` of its similarity. There is no second round where a side has at most two
    words or none without a link.
    """
    first = _mutual(similarity)
    loose_rows, loose_columns = ~first.any(1), ~first.any(0)
    if min(similarity.shape) <= 2 or not loose_rows.any() or not loose_columns.any():
        return _links(first)
    loose = loose_rows.unsqueeze(1).int() + loose_columns.int()
    shares = similarity.new_tensor([0.0, LINKED_DISCOUNT, 1.0])[loose]
    second = _mutual((similarity + 1) / 2 * shares)
    return _links(first | (second & (loose > 0)))


def match(similarity: Tensor) -> Links:
    """The min(N, M) one-to-one links of the largest total (Jalili Sabet et al. 2020, "Match")."""
    rows, columns = linear_sum_assignment(similarity.detach().cpu().numpy(), maximize=True)
    return frozenset(zip(rows.tolist(), columns.tolist(), strict=True))


def softmax(products: Tensor, threshold: float = 0.001) -> Links:
    """Pairs that are likelier than ``threshold`` both ways, from dot products (Dou & Neubig 2021)."""
    return _links((products.softmax(1) > threshold) & (products.softmax(0) > threshold))


def from_plan(plan: Tensor, a: Tensor, b: Tensor) -> Links:
    """Words that are each other's best under a plan between the masses ``a [N]`` and ``b [M]``.

    Best is where the plan is densest against the product of the masses, ``P_ij / (a_i b_j)``, so
    that a heavy word draws no links by its weight alone; for an entropic plan this is the mutual
    argmax of the cost corrected by the potentials, ``f_i + g_j - C_ij``. It needs no threshold, and
    hardly moves with epsilon. A word without mass, or to which nothing is carried, has no link.
    """
    product = a.unsqueeze(1) * b
    density = plan / product.masked_fill(product == 0, torch.inf)
    return _links(_mutual(density) & (density > 0))


def mutual_nearest(x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Tensor:
    """The ``argmax`` links of a batch by cosine: ``[L, 3]`` (pair, source word, target word).

    ``x [B, N, D]`` with ``x_mask [B, N]``, ``y [B, M, D]`` with ``y_mask [B, M]`` (True = real
    word). Rows are in order.
    """
    real = x_mask.unsqueeze(2) & y_mask.unsqueeze(1)
    similarity = cosine(x, y).masked_fill(~real, -torch.inf)
    return (_mutual(similarity) & real).nonzero()


def _forward(similarity: Tensor) -> Tensor:
    """True at the first largest value of each row of ``[..., N, M]``."""
    if similarity.numel() == 0:
        return torch.zeros_like(similarity, dtype=torch.bool)
    best = similarity.argmax(-1, keepdim=True)
    return torch.zeros_like(similarity, dtype=torch.bool).scatter_(-1, best, True)


def _mutual(similarity: Tensor) -> Tensor:
    return _forward(similarity) & _forward(similarity.mT).mT


def _links(chosen: Tensor) -> Links:
    return frozenset((i, j) for i, j in chosen.nonzero().tolist())
