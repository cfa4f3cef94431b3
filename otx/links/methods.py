"""Methods of extracting word links from a batch of word vectors, by name, with a strength for each link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from otx.links import extract
from otx.links.entmax import entmax15
from otx.ot.costs.ground import cosine
from otx.ot.costs.transforms import add_null_word, equidistant_direction, min_max_scale
from otx.ot.problems.masses import uniform
from otx.ot.solvers.partial import partial_transport
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.types import Links

Method = Literal["argmax", "itermax", "softmax", "entmax", "plan", "null"]
"""Names of the methods."""
SOFTMAX_THRESHOLD = 0.001
"""Probability needed in both directions by ``softmax``: awesome-align's default."""
NULL_EPSILON = 0.05
"""Regularisation of ``null`` for costs between 0 and 1: OTTAWA's value."""


@dataclass(frozen=True, slots=True)
class Found:
    """The links of one pair.

    Attributes:
        links: The linked (source, target) words.
        strength: How sure the method is of each link, from 0 to 1.
    """

    links: Links
    strength: dict[tuple[int, int], float]


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """A method of extracting links, with its options.

    Attributes:
        by: Name of the method.
        threshold: For ``softmax`` and ``entmax``, the probability needed in both directions (by default .001, and
            anything above 0); for ``plan``, the share of the plan's largest entry that an entry needs (by default,
            entries that are best for both words). Other methods have none.
        epsilon: Regularisation of ``plan``, in the unit of the cosine cost.
    """

    by: Method = "argmax"
    threshold: float | None = None
    epsilon: float = 0.1


def find_links(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> list[Found]:
    """Extract the links of each pair of a batch.

    Args:
        x: Source word vectors ``[B, N, D]``.
        x_mask: Source mask ``[B, N]``; True is a real word. A word that the encoder's limit cut off is False: it has no
            links, and the numbers of the other words do not change.
        y: Target word vectors ``[B, M, D]``.
        y_mask: Target mask ``[B, M]``; True is a real word.
        settings: The method and its options.

    Returns:
        The links of each pair, with positions along N and M as word numbers.
    """
    table = link_table(x, x_mask, y, y_mask, settings)
    links = [*zip(table.source.tolist(), table.target.tolist(), strict=True)]
    strength = table.strength.tolist()
    ends = np.searchsorted(table.pair, np.arange(len(x) + 1)).tolist()
    return [
        Found(
            frozenset(links[start:end]),
            dict(zip(links[start:end], strength[start:end], strict=True)),
        )
        for start, end in pairwise(ends)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class LinkTable:
    """The links of several pairs, one row per link.

    Attributes:
        pair: Number of the pair ``[L]``, ascending.
        source: Source word ``[L]``, ascending within a pair.
        target: Target word ``[L]``, ascending within a source word.
        strength: How sure the method is of the link, from 0 to 1 ``[L]``.
    """

    pair: np.ndarray
    source: np.ndarray
    target: np.ndarray
    strength: np.ndarray


def link_table(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> LinkTable:
    """Extract the links of a batch of pairs into one table.

    Args:
        x: Source word vectors ``[B, N, D]``.
        x_mask: Source mask ``[B, N]``; True is a real word.
        y: Target word vectors ``[B, M, D]``.
        y_mask: Target mask ``[B, M]``; True is a real word.
        settings: The method and its options.

    Returns:
        The links of all pairs; a pair with a side without words has none.
    """
    both = (x_mask.any(1) & y_mask.any(1)).nonzero()[:, 0]
    if not len(both):
        empty = np.zeros(0, dtype=np.int64)
        return LinkTable(empty, empty, empty, np.zeros(0, dtype=np.float32))
    if len(both) < len(x):
        x, x_mask, y, y_mask = (side[both] for side in (x, x_mask, y, y_mask))
    chosen, strength = METHODS[settings.by](WordPairs(x, x_mask, y, y_mask), settings)
    pair, i, j = chosen.nonzero().unbind(1)
    columns = (both[pair], i, j, strength[chosen])
    return LinkTable(*(column.cpu().numpy() for column in columns))


@dataclass(frozen=True, slots=True, eq=False)
class WordPairs:
    """The word vectors of a batch of sentence pairs.

    Attributes:
        x: Source word vectors ``[B, N, D]``.
        x_mask: Source mask ``[B, N]``; True is a real word.
        y: Target word vectors ``[B, M, D]``.
        y_mask: Target mask ``[B, M]``; True is a real word.
    """

    x: Tensor
    x_mask: Tensor
    y: Tensor
    y_mask: Tensor

    @property
    def is_real(self) -> Tensor:
        """True where both words are real ``[B, N, M]``."""
        return self.x_mask[:, :, None] & self.y_mask[:, None, :]


Matrices = tuple[Tensor, Tensor]
"""Two tensors ``[B, N, M]``: True where there is a link, and the strength of each entry."""


def _argmax(words: WordPairs, settings: MethodSettings) -> Matrices:
    """Link mutual nearest words by cosine (SimAlign); the strength is (1 + cosine) / 2."""
    similarity, is_real = extract.cosine(words.x, words.y), words.is_real
    chosen = extract.mutual(similarity.masked_fill(~is_real, -torch.inf)) & is_real
    return chosen, (1 + similarity) / 2


def _itermax(words: WordPairs, settings: MethodSettings) -> Matrices:
    """Link mutual nearest words, then once more among the rest (SimAlign); the strength is (1 + cosine) / 2."""
    similarity = extract.cosine(words.x, words.y)
    chosen = extract.itermax_of_batch(similarity, words.x_mask, words.y_mask)
    return chosen, (1 + similarity) / 2


def _softmax(words: WordPairs, settings: MethodSettings) -> Matrices:
    """Link words that are probable in both directions by the softmax of dot products.

    References:
        Dou and Neubig (2021), "Word Alignment by Fine-tuning Embeddings on Parallel Corpora" (awesome-align).
        https://aclanthology.org/2021.eacl-main.181
    """
    scores = extract.dot(words.x, words.y)
    forth = scores.masked_fill(~words.y_mask[:, None, :], -torch.inf).softmax(2)
    back = scores.masked_fill(~words.x_mask[:, :, None], -torch.inf).softmax(1)
    least = SOFTMAX_THRESHOLD if settings.threshold is None else settings.threshold
    return (forth > least) & (back > least) & words.is_real, _harmonic(forth, back)


def _entmax(words: WordPairs, settings: MethodSettings) -> Matrices:
    """Link words that are probable in both directions by 1.5-entmax of dot products (awesome-align's other method)."""
    scores = extract.dot(words.x, words.y)
    # Finite, so that halves and squares are finite too; the entry is still far below every threshold.
    low = torch.finfo(scores.dtype).min / 1e20
    forth = entmax15(scores.masked_fill(~words.y_mask[:, None, :], low), 2)
    back = entmax15(scores.masked_fill(~words.x_mask[:, :, None], low), 1)
    least = settings.threshold or 0.0
    return (forth > least) & (back > least) & words.is_real, _harmonic(forth, back)


def _plan(words: WordPairs, settings: MethodSettings) -> Matrices:
    """Link by the balanced entropic plan with cosine cost and uniform masses.

    The strength is the entry's share of both words' masses.
    """
    a, b = uniform(words.x_mask), uniform(words.y_mask)
    plan = sinkhorn(cosine(words.x, words.y), a, b, epsilon=settings.epsilon).plan
    strength = 2 * plan / (a[:, :, None] + b[:, None, :]).clamp(min=1e-12)
    if settings.threshold is None:
        chosen = extract.best_of_plan(plan, a, b)
    else:
        largest = plan.amax((1, 2), keepdim=True)
        chosen = (plan > settings.threshold * largest) & (plan > 0)
    return chosen, strength


def _null(words: WordPairs, settings: MethodSettings) -> Matrices:
    """Link words that choose each other by one-sided plans in which a word may go to the null word.

    The strength is the smaller of the two shares that the words send to each other.

    References:
        Huang et al. (2024), "OTTAWA: Optimal TransporT Adaptive Word Aligner for Hallucination and Omission
        Translation Errors Detection". https://aclanthology.org/2024.findings-acl.377
    """
    forth = _with_null(words.x, words.x_mask, words.y, words.y_mask)
    back = _with_null(words.y, words.y_mask, words.x, words.x_mask).mT
    places = torch.arange(max(words.x.shape[1], words.y.shape[1]), device=words.x.device)
    to_y = forth.argmax(2)
    chosen = to_y[:, :, None] == places[: words.y.shape[1]]
    shares_y, shares_x = forth[:, :, :-1], back[:, :-1, :]
    chosen &= back.argmax(1)[:, None, :] == places[: words.x.shape[1], None]
    return chosen & words.is_real, torch.minimum(shares_y, shares_x)


def _with_null(x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Tensor:
    """Return the share of its mass that each word of ``x`` sends to each of ``y`` and, last, to the null word.

    ``[B, N, M + 1]``.
    """
    a, b = uniform(x_mask), uniform(y_mask)
    price = cosine(x, equidistant_direction(y, y_mask)[:, None].to(x))[:, :, 0]
    extended = add_null_word(cosine(x, y), x_mask, b, price=price)
    cost = min_max_scale(extended.cost, x_mask, extended.b > 0)
    plan = partial_transport(cost, a, extended.b, epsilon=NULL_EPSILON, mass=a.sum(1)).plan
    return plan / a[:, :, None].clamp(min=1e-12)


METHODS: dict[str, Callable[[WordPairs, MethodSettings], Matrices]] = {
    "argmax": _argmax,
    "itermax": _itermax,
    "softmax": _softmax,
    "entmax": _entmax,
    "plan": _plan,
    "null": _null,
}
"""The function of each method."""


def _harmonic(forth: Tensor, back: Tensor) -> Tensor:
    return 2 * forth * back / (forth + back).clamp(min=1e-12)
