"""The ways to get word links out of a batch of word vectors, by name, each link with how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

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
SOFTMAX_THRESHOLD = 0.001
"""awesome-align's."""
NULL_EPSILON = 0.05
"""OTTAWA's, of costs between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Found:
    """The links of one pair, and for each how sure the way was of it, from 0 to 1."""

    links: Links
    strength: dict[tuple[int, int], float]


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """How links are found.

    ``threshold``: for ``softmax`` and ``entmax`` the probability needed in both directions (without it .001, and
    anything above 0); for ``plan`` the share of its largest entry that an entry needs (without it, entries that are
    their words' best). ``epsilon``: of ``plan``, in units of the cosine cost.
    """

    by: Method = "argmax"
    threshold: float | None = None
    epsilon: float = 0.1


def find_links(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> list[Found]:
    """The links between ``x [B, N, D]`` and ``y [B, M, D]`` in each pair, under the words' own numbers.

    Masks ``[B, N]`` and ``[B, M]`` (True = real word): a word that the encoder's limit cut off has no links, and no
    other word's number changes.
    """
    found = [Found(frozenset(), {})] * len(x)
    both = (x_mask.any(1) & y_mask.any(1)).nonzero()[:, 0]
    if len(both):
        parts = x[both], x_mask[both], y[both], y_mask[both]
        chosen, strength = WAYS[settings.by](*parts, settings)
        for pair, own, sure in zip(both.tolist(), chosen, strength, strict=True):
            links = [(i, j) for i, j in own.nonzero().tolist()]
            found[pair] = Found(frozenset(links), {(i, j): float(sure[i, j]) for i, j in links})
    return found


Matrices = tuple[Tensor, Tensor]
"""Which of ``[B, N, M]`` are links, and how sure the way is of each entry."""


def _argmax(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> Matrices:
    """Words that are each other's nearest by cosine (SimAlign); as sure as (1 + cosine) / 2."""
    chosen = torch.zeros(*x.shape[:2], y.shape[1], dtype=torch.bool, device=x.device)
    pair, i, j = extract.mutual_nearest(x, x_mask, y, y_mask).unbind(1)
    chosen[pair, i, j] = True
    return chosen, (1 + extract.cosine(x, y)) / 2


def _itermax(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> Matrices:
    """Mutual nearest words, then once more among the rest (SimAlign); as sure as (1 + cosine) / 2."""
    similarity = extract.cosine(x, y)
    links = [
        extract.itermax(own[rows][:, columns])
        for own, rows, columns in zip(similarity, x_mask, y_mask, strict=True)
    ]
    return _placed(links, x_mask, y_mask), (1 + similarity) / 2


def _softmax(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> Matrices:
    """Probable both ways by the softmax of dot products (awesome-align)."""
    scores, real = _masked_products(x, x_mask, y, y_mask)
    forth = scores.masked_fill(~y_mask[:, None, :], -torch.inf).softmax(2)
    back = scores.masked_fill(~x_mask[:, :, None], -torch.inf).softmax(1)
    least = SOFTMAX_THRESHOLD if settings.threshold is None else settings.threshold
    return (forth > least) & (back > least) & real, _harmonic(forth, back)


def _entmax(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> Matrices:
    """Probable both ways by 1.5-entmax of dot products (awesome-align's other extraction)."""
    scores, real = _masked_products(x, x_mask, y, y_mask)
    # Finite, so that halves and squares are: the entry is far below every threshold all the same.
    low = torch.finfo(scores.dtype).min / 1e20
    forth = entmax15(scores.masked_fill(~y_mask[:, None, :], low), 2)
    back = entmax15(scores.masked_fill(~x_mask[:, :, None], low), 1)
    least = settings.threshold or 0.0
    return (forth > least) & (back > least) & real, _harmonic(forth, back)


def _plan(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> Matrices:
    """By the balanced entropic plan, cosine cost and uniform masses; as sure as its share of both words' masses."""
    a, b = uniform(x_mask), uniform(y_mask)
    plan = sinkhorn(cosine(x, y), a, b, epsilon=settings.epsilon).plan
    strength = 2 * plan / (a[:, :, None] + b[:, None, :]).clamp(min=1e-12)
    if settings.threshold is None:
        links = [extract.from_plan(*own) for own in zip(plan, a, b, strict=True)]
        chosen = torch.zeros_like(plan, dtype=torch.bool)
        for own, pairs in zip(chosen, links, strict=True):
            for i, j in pairs:
                own[i, j] = True
    else:
        largest = plan.amax((1, 2), keepdim=True)
        chosen = (plan > settings.threshold * largest) & (plan > 0)
    return chosen, strength


def _null(
    x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor, settings: MethodSettings
) -> Matrices:
    """By a one-sided plan each way in which a word may go to the null word (OTTAWA): both must choose the link.

    As sure as the smaller share that either word sends to the other.
    """
    forth = _with_null(x, x_mask, y, y_mask)
    back = _with_null(y, y_mask, x, x_mask).mT
    places = torch.arange(max(x.shape[1], y.shape[1]), device=x.device)
    to_y = forth.argmax(2)
    chosen = to_y[:, :, None] == places[: y.shape[1]]
    shares_y, shares_x = forth[:, :, :-1], back[:, :-1, :]
    chosen &= back.argmax(1)[:, None, :] == places[: x.shape[1], None]
    real = x_mask[:, :, None] & y_mask[:, None, :]
    return chosen & real, torch.minimum(shares_y, shares_x)


def _with_null(x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Tensor:
    """What share of its mass each word of ``x`` sends to each of ``y``, and to the null word last ``[B, N, M + 1]``."""
    a, b = uniform(x_mask), uniform(y_mask)
    price = cosine(x, equidistant_direction(y, y_mask)[:, None].to(x))[:, :, 0]
    extended = add_null_word(cosine(x, y), x_mask, b, price=price)
    cost = min_max_scale(extended.cost, x_mask, extended.b > 0)
    plan = partial_transport(cost, a, extended.b, epsilon=NULL_EPSILON, mass=a.sum(1)).plan
    return plan / a[:, :, None].clamp(min=1e-12)


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, MethodSettings], Matrices]] = {
    "argmax": _argmax,
    "itermax": _itermax,
    "softmax": _softmax,
    "entmax": _entmax,
    "plan": _plan,
    "null": _null,
}


def _masked_products(x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Matrices:
    return extract.dot(x, y), x_mask[:, :, None] & y_mask[:, None, :]


def _harmonic(forth: Tensor, back: Tensor) -> Tensor:
    return 2 * forth * back / (forth + back).clamp(min=1e-12)


def _placed(links: Sequence[Links], x_mask: Tensor, y_mask: Tensor) -> Tensor:
    """Links between the real words, under the words' own numbers ``[B, N, M]``."""
    chosen = torch.zeros(*x_mask.shape, y_mask.shape[1], dtype=torch.bool, device=x_mask.device)
    for pair, own in enumerate(links):
        rows, columns = x_mask[pair].nonzero()[:, 0], y_mask[pair].nonzero()[:, 0]
        for i, j in own:
            chosen[pair, rows[i], columns[j]] = True
    return chosen
