"""Entropic transport in which every word of one side has a partner, and words of the other may have none."""

from __future__ import annotations

import math

from otx.types import EncodedPair, Loss
from otx_transport.entropic import mean_loss, transported
from otx_transport.measures import measures
from otx_transport.options import SemiRelaxedOptions
from otx_transport.over_measures import OverMeasures


class SemiRelaxed(OverMeasures[SemiRelaxedOptions]):
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
        super().__init__(options, dimension)
        hard, soft = math.inf, options.tau
        self.tau = (hard, soft) if options.relaxed == "pivot" else (soft, hard)

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        solved = transported(measures(pair, self.options), self.options, self.tau)
        return mean_loss(solved.value, solved)
