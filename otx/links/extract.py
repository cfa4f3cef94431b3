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
    rows, columns = (similarity.new_ones(1, size, dtype=torch.bool) for size in similarity.shape)
    return _links(itermax_of_batch(similarity[None], rows, columns)[0])


def itermax_of_batch(similarity: Tensor, x_mask: Tensor, y_mask: Tensor) -> Tensor:
    """Link the words of each pair of a batch by ``itermax``.

    Args:
        similarity: Cosines ``[B, N, M]``.
        x_mask: Source mask ``[B, N]``; True is a real word.
        y_mask: Target mask ``[B, M]``; True is a real word.

    Returns:
        True where two words are linked ``[B, N, M]``.
    """
    real = x_mask.unsqueeze(2) & y_mask.unsqueeze(1)
    # Below every similarity between 0 and 1, so that no real word prefers a word that is not real.
    raised = ((similarity + 1) / 2).masked_fill(~real, -1)
    first = mutual(similarity.masked_fill(~real, -torch.inf)) & real
    loose_rows, loose_columns = ~first.any(2) & x_mask, ~first.any(1) & y_mask
    has_second = (
        (x_mask.sum(1) > 2) & (y_mask.sum(1) > 2) & loose_rows.any(1) & loose_columns.any(1)
    )
    loose = loose_rows.unsqueeze(2).int() + loose_columns.unsqueeze(1).int()
    shares = similarity.new_tensor([0.0, LINKED_DISCOUNT, 1.0])[loose]
    second = mutual(torch.where(real, raised * shares, -1)) & real & (loose > 0)
    return first | (second & has_second[:, None, None])


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
    return _links(best_of_plan(plan, a, b))


def best_of_plan(plan: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Link the words of one pair or of a batch of pairs by ``from_plan``.

    Args:
        plan: Transport plans ``[..., N, M]``.
        a: Source masses ``[..., N]``; 0 marks padding.
        b: Target masses ``[..., M]``; 0 marks padding.

    Returns:
        True where two words are linked ``[..., N, M]``.
    """
    product = a.unsqueeze(-1) * b.unsqueeze(-2)
    density = plan / product.masked_fill(product == 0, torch.inf)
    return mutual(density) & (density > 0)


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
    return (mutual(similarity) & real).nonzero()


def _forward(similarity: Tensor) -> Tensor:
    """Return True at the first largest value of each row of ``[..., N, M]``."""
    if similarity.numel() == 0:
        return torch.zeros_like(similarity, dtype=torch.bool)
    best = similarity.argmax(-1, keepdim=True)
    return torch.zeros_like(similarity, dtype=torch.bool).scatter_(-1, best, True)


def mutual(similarity: Tensor) -> Tensor:
    """Return True at entries that are the first maximum of their row and of their column.

    Args:
        similarity: Similarities ``[..., N, M]``.
    """
    return _forward(similarity) & _forward(similarity.mT).mT


def _links(chosen: Tensor) -> Links:
    return frozenset((i, j) for i, j in chosen.nonzero().tolist())
