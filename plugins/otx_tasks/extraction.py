"""The ways to get word links out of the word vectors of one sentence pair, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from otx.links import extract as links
from otx.ot import costs, masses
from otx.ot.sinkhorn import sinkhorn
from otx.types import Links
from otx_tasks.options import WordAlignmentOptions


def argmax(x: Tensor, y: Tensor, options: WordAlignmentOptions) -> Links:
    """Words that are each other's nearest by cosine, of ``x [N, D]`` and ``y [M, D]``."""
    return links.argmax(links.cosine(x, y))


def itermax(x: Tensor, y: Tensor, options: WordAlignmentOptions) -> Links:
    """Mutual nearest words, then once more among the rest (SimAlign)."""
    return links.itermax(links.cosine(x, y))


def softmax(x: Tensor, y: Tensor, options: WordAlignmentOptions) -> Links:
    """Probable both ways by the dot product (awesome-align)."""
    return links.softmax(links.dot(x, y), options.threshold)


def plan(x: Tensor, y: Tensor, options: WordAlignmentOptions) -> Links:
    """From the balanced entropic transport plan, cosine cost and uniform masses."""
    a, b = (masses.uniform(torch.ones(1, len(side), dtype=torch.bool)) for side in (x, y))
    solved = sinkhorn(costs.cosine(x[None], y[None]), a, b, epsilon=options.epsilon)
    return links.from_plan(solved.plan[0], a[0], b[0])


EXTRACTIONS: dict[str, Callable[[Tensor, Tensor, WordAlignmentOptions], Links]] = {
    "argmax": argmax,
    "itermax": itermax,
    "softmax": softmax,
    "plan": plan,
}
