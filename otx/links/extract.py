"""Extract word links from the vectors of two sentences.

The functions of one pair take a similarity ``[N, M]`` of N source and M target words, or a transport plan of that
shape, and return the linked (source, target) words. Of equal values the first counts. Similarities are computed in
float32 or better, even under autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import Links

LINKED_DISCOUNT = 0.9
"""Factor of the similarity of a word that is linked already, in itermax's second round (SimAlign's value)."""


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Return the cosines of two sets of vectors.

    Args:
        x: Vectors ``[..., N, D]``.
        y: Vectors ``[..., M, D]``.

    Returns:
        Cosines ``[..., N, M]``; a zero vector has cosine 0 with everything.
    """
    with no_autocast(x):
        return (
            functional.normalize(at_least_float32(x), dim=-1)
            @ functional.normalize(at_least_float32(y), dim=-1).mT
        )


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Return the dot products of two sets of vectors.

    Args:
        x: Vectors ``[..., N, D]``.
        y: Vectors ``[..., M, D]``.

    Returns:
        Dot products ``[..., N, M]``.
    """
    with no_autocast(x):
        return at_least_float32(x) @ at_least_float32(y).mT


def itermax(similarity: Tensor) -> Links:
    """Link mutual nearest words in two rounds.

    The second round considers pairs with a word that has no link yet.

    This is "Itermax" with two rounds, as SimAlign computes it. Cosines are mapped to 0..1; in the second round, the
    similarity of a pair with one linked word is multiplied by ``LINKED_DISCOUNT``. There is no second round if a side
    has at most two words, or no word without a link.

    Args:
        similarity: Cosines ``[N, M]`` of one sentence pair.

    Returns:
        The links.

    Example:
        >>> sorted(itermax(torch.eye(3)))
        [(0, 0), (1, 1), (2, 2)]

    References:
        Jalili Sabet et al. (2020), "SimAlign: High Quality Word Alignments Without Parallel Training Data Using Static
        and Contextualized Embeddings". https://aclanthology.org/2020.findings-emnlp.147
    """
    first = _mutual(similarity)
    loose_rows, loose_columns = ~first.any(1), ~first.any(0)
    if min(similarity.shape) <= 2 or not loose_rows.any() or not loose_columns.any():
        return _links(first)
    loose = loose_rows.unsqueeze(1).int() + loose_columns.int()
    shares = similarity.new_tensor([0.0, LINKED_DISCOUNT, 1.0])[loose]
    second = _mutual((similarity + 1) / 2 * shares)
    return _links(first | (second & (loose > 0)))


def from_plan(plan: Tensor, a: Tensor, b: Tensor) -> Links:
    """Link the words that are each other's best under a transport plan.

    A word's best is the one where the plan is densest relative to the product of the masses, ``P_ij / (a_i b_j)``, so
    that a heavy word draws no links by its mass alone. For an entropic plan this is the mutual argmax of the cost
    corrected by the potentials, ``f_i + g_j - C_ij``. It needs no threshold and depends little on epsilon.

    Args:
        plan: Transport plan ``[N, M]``.
        a: Source masses ``[N]``.
        b: Target masses ``[M]``.

    Returns:
        The links. A word without mass, or to which no mass is transported, has none.
    """
    product = a.unsqueeze(1) * b
    density = plan / product.masked_fill(product == 0, torch.inf)
    return _links(_mutual(density) & (density > 0))


def mutual_nearest(x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Tensor:
    """Link the words of each pair of a batch that are each other's nearest by cosine.

    Args:
        x: Source word vectors ``[B, N, D]``.
        x_mask: Source mask ``[B, N]``; True is a real word.
        y: Target word vectors ``[B, M, D]``.
        y_mask: Target mask ``[B, M]``; True is a real word.

    Returns:
        Links ``[L, 3]`` as (pair, source word, target word), in order.

    References:
        Jalili Sabet et al. (2020), method "Argmax". https://aclanthology.org/2020.findings-emnlp.147
    """
    real = x_mask.unsqueeze(2) & y_mask.unsqueeze(1)
    similarity = cosine(x, y).masked_fill(~real, -torch.inf)
    return (_mutual(similarity) & real).nonzero()


def _forward(similarity: Tensor) -> Tensor:
    """Return True at the first largest value of each row of ``[..., N, M]``."""
    if similarity.numel() == 0:
        return torch.zeros_like(similarity, dtype=torch.bool)
    best = similarity.argmax(-1, keepdim=True)
    return torch.zeros_like(similarity, dtype=torch.bool).scatter_(-1, best, True)


def _mutual(similarity: Tensor) -> Tensor:
    return _forward(similarity) & _forward(similarity.mT).mT


def _links(chosen: Tensor) -> Links:
    return frozenset((i, j) for i, j in chosen.nonzero().tolist())
