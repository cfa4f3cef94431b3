"""Entropic transport in which every word of one side has a partner, and words of the other may have none."""

from __future__ import annotations

import math

from torch import nn

from otx.ot.clouds import between
from otx.ot.costs import COSTS
from otx.types import EncodedPair, Loss
from otx_transport.entropic import mean_loss
from otx_transport.measures import measures, needs
from otx_transport.options import SemiRelaxedOptions


class SemiRelaxed(nn.Module):
    """The mean over problems of transport with one hard marginal and one that may be missed at a price.

    ::

        loss     = 1/P sum over problems  OT(a, b)
        OT(a, b) = min over plans pi >= 0 with rows a  of
                   sum_ij pi_ij C_ij + epsilon KL(pi | a b^T) + tau KL(pi^T 1 | b)

    for ``relaxed = "pivot"``: every source word goes somewhere, and pivot words may get more or less
    than their mass; for ``source`` the other way round. KL(p | q) = sum p log(p / q) - p + q.
    Problems, masses, costs, gradient, needs, scope and shapes are those of ``sinkhorn``, the limit of
    a large ``tau``; as ``tau`` goes to 0 each word of the hard side goes to its nearest (at
    temperature epsilon), as in a one-sided softmax.

    Neighbours: ``unbalanced`` relaxes both sides. To be preferred where one side says more than the
    other, as explained or padded translations do. There is no debiased form, since the side against
    itself is not symmetric: the loss is smallest where all words lie in one point, so
    ``keep-close`` is needed. Not with a small ``tau`` and a weak encoder: hubs then get everything.

    Cedric Vincent-Cuaz et al.: Semi-relaxed Gromov-Wasserstein Divergence. ICLR 2022, for the name;
    Lenaic Chizat et al.: Scaling Algorithms for Unbalanced Optimal Transport Problems. 2018.
    """

    def __init__(self, options: SemiRelaxedOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.needs = needs(options)
        self.scope = options.scope
        hard, soft = math.inf, options.tau
        self.tau = (hard, soft) if options.relaxed == "pivot" else (soft, hard)

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options, sides = self.options, measures(pair, self.options)
        solved = between(
            sides.x,
            sides.y,
            sides.a,
            sides.b,
            cost=COSTS[options.cost],
            epsilon=options.epsilon,
            tau=self.tau,
            tolerance=options.tolerance,
            max_iterations=options.max_iterations,
        )
        return mean_loss(solved.value, solved)
