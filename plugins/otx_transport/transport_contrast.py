"""Sentences told apart by what it costs to move their words onto one another's."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.costs.ground import cosine
from otx.ot.solvers.pairwise import pairwise_sinkhorn
from otx.ot.transport import Transport
from otx.types import EncodedPair, Loss, Scope
from otx_transport.base import measure_views, separate_measures
from otx_transport.options import TransportContrastOptions


class TransportContrast(nn.Module):
    """InfoNCE over the batch's sentences, whose score is minus their transport cost.

    Minimises, with OT_bc the entropic transport (cosine cost, masses that sum to 1) between the words of source b and
    those of pivot c, as in ``sinkhorn`` without debiasing::

        loss = 1/(2B) sum_b (-log softmax over c of -OT_bc / temperature at c = b
                             -log softmax over c of -OT_cb / temperature at c = b)

    The batch of B pairs is cut into groups of nearly equal size, of at most ``group`` pairs, and c runs over the group
    of b: group^2 small problems each, solved together. Words are matched softly and sentences are kept apart, so the
    loss has no minimum in which all words coincide. The gradient is the envelope's: each plan times the gradients of
    its costs, weighted by the error of its score; plans are constants. Costs are float32 or better. The health numbers
    are those of all problems.

    Args:
        options: Options of ``transport-contrast``: ``epsilon`` (0.1), ``temperature`` (0.05, above 0), ``group`` (32
            pairs, at least 2), ``tolerance`` (1e-4 of mass), ``max_iterations`` (200); ``marginals`` ("uniform"),
            ``unit`` ("words"), ``layer`` (-1), ``word_vector`` ("last").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``batch``, of one language pair: a larger group is a harder task, and the loss grows like its logarithm.

    Relation to others:
        ``sinkhorn`` has the diagonal of this and nothing that keeps the rest apart. ``sentence-contrastive`` scores
        sentences by their means, for a hundredth of the work. ``contrastive`` contrasts words, and needs links. New
        here; its parts are Supervised Word Mover's Distance and InfoNCE.

    When not to use it:
        For groups of two or three, which offer few negatives. The most expensive objective here: on a CPU, use groups
        of 16 to 32.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = TransportContrast(TransportContrastOptions(group=4), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Huang et al. (2016), "Supervised Word Mover's Distance". NeurIPS 2016.
          https://papers.nips.cc/paper/2016/hash/10c66082c124f8afe3df4886f5e516e0-Abstract.html
        - van den Oord et al. (2018), "Representation Learning with Contrastive Predictive Coding".
          https://arxiv.org/abs/1807.03748
    """

    def __init__(self, options: TransportContrastOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = measure_views(options)
        self.scope: Scope = "batch"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        sides = separate_measures(pair, self.options)
        count = math.ceil(len(sides.a) / self.options.group)
        parts = (torch.tensor_split(side, count) for side in (sides.x, sides.y, sides.a, sides.b))
        solved = [self._costs(*group) for group in zip(*parts, strict=True)]
        total = torch.stack([self._told_apart(own.value) for own in solved]).sum()
        return Loss(total / (2 * len(sides.a)), health=_health(solved))

    def _costs(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Transport:
        options = self.options
        return pairwise_sinkhorn(
            x,
            y,
            a,
            b,
            cost=cosine,
            epsilon=options.epsilon,
            tolerance=options.tolerance,
            max_iterations=options.max_iterations,
        )

    def _told_apart(self, costs: Tensor) -> Tensor:
        """The sum of both directions' InfoNCE of ``costs [S, S]``."""
        scores = -costs / self.options.temperature
        own = torch.arange(len(scores), device=scores.device)
        forth = F.cross_entropy(scores, own, reduction="sum")
        return forth + F.cross_entropy(scores.mT, own, reduction="sum")


def _health(solved: list[Transport]) -> dict[str, Tensor]:
    def mean(name: str) -> Tensor:
        values = [getattr(own, name).flatten().float() for own in solved]
        return torch.cat(values).mean().detach()

    return {
        "mass": mean("mass"),
        "expected_mass": torch.ones_like(mean("mass")),
        "converged": mean("converged"),
        "marginal_error": mean("marginal_error"),
        "iterations": mean("iterations"),
    }
