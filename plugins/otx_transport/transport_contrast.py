"""Sentences told apart by what it costs to move their words onto one another's."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.costs.ground import cosine
from otx.ot.solvers.pairwise import grid
from otx.ot.transport import Transport
from otx.types import EncodedPair, Loss, Scope
from otx_transport.measures import apart, views
from otx_transport.options import TransportContrastOptions


class TransportContrast(nn.Module):
    """InfoNCE over the batch's sentences, whose score is minus their transport cost.

    With OT_bc the entropic transport (cosine cost, masses that sum to 1) between the words of source
    b and those of pivot c, as in ``sinkhorn`` without debiasing::

        loss = 1/(2B) sum_b (-log softmax over c of -OT_bc / temperature at c = b
                             -log softmax over c of -OT_cb / temperature at c = b)

    The batch of B pairs is cut into groups of nearly equal size, ``group`` at most, and c goes over
    the group of b: group^2 small problems each, solved together. Words are matched softly and
    sentences stay apart, so the loss has no minimum where all words are in one point.

    The gradient is the envelope's: each plan times its costs' gradients, weighted by how far its
    score is from where it should be; plans are constants. Needs hidden states ``[B, T, D]`` of one
    layer; no links. Scope: batch (of one language pair): a larger group is a harder task, and the
    loss grows like its logarithm. Costs are float32 or better; health is that of all problems.

    Neighbours: ``sinkhorn`` has the diagonal of this and nothing to keep the rest apart;
    ``sentence-contrastive`` scores sentences by their means, for a hundredth of the work;
    ``contrastive`` tells words apart, and needs links. The dearest objective here: on a CPU, groups
    of 16 to 32. Not for groups of two or three, where there is little to tell a sentence from.

    New here; its parts are those of Gao Huang et al.: Supervised Word Mover's Distance (NeurIPS
    2016) and of InfoNCE (Aaron van den Oord et al. 2018).
    """

    def __init__(self, options: TransportContrastOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = views(options)
        self.scope: Scope = "batch"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        sides = apart(pair, self.options)
        count = math.ceil(len(sides.a) / self.options.group)
        parts = (torch.tensor_split(side, count) for side in (sides.x, sides.y, sides.a, sides.b))
        solved = [self._costs(*group) for group in zip(*parts, strict=True)]
        total = torch.stack([self._told_apart(own.value) for own in solved]).sum()
        return Loss(total / (2 * len(sides.a)), health=_health(solved))

    def _costs(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Transport:
        options = self.options
        return grid(
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
