"""Entropic transport between the two sides' words in which words may stay without a partner."""

from __future__ import annotations

from otx.types import EncodedPair, Loss
from otx_transport.entropic import converged_loss
from otx_transport.measures import measures
from otx_transport.options import UnbalancedOptions
from otx_transport.over_measures import OverMeasures


class Unbalanced(OverMeasures[UnbalancedOptions]):
    """The mean over problems of KL-unbalanced transport's divergence, or of its first term.

    ::

        loss     = 1/P sum over problems  S(a, b)
        S(a, b)  = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2
        OT(a, b) = min over plans pi >= 0  of  sum_ij pi_ij C_ij + epsilon KL(pi | a b^T)
                   + tau KL(pi 1 | a) + tau KL(pi^T 1 | b)

    with KL(p | q) = sum p log(p / q) - p + q. Problems, masses (which sum to 1), costs, gradient,
    needs, scope and shapes are those of ``sinkhorn``, which is the limit of a large ``tau``. A word
    whose cost to all others is c keeps about exp(-c / (2 tau)) of its mass in the plan, and has as
    much less influence; so ``tau`` belongs to the cost's scale, and the default to cosine. The
    health's mass is what is transported of an expected 1: well below 1 is normal, near 0 means that
    ``tau`` is too small to move anything.

    Neighbours: ``sinkhorn`` forces a partner on every word. To be preferred where translations are
    free or noisy. Not for a ``tau`` well below the typical cost: the value goes flat at 2 tau, and
    words that are far apart, those to be moved, are the ones given up.

    Lenaic Chizat et al.: Scaling Algorithms for Unbalanced Optimal Transport Problems. Mathematics
    of Computation 2018. Thibault Sejourne et al.: Sinkhorn Divergences for Unbalanced Optimal
    Transport. 2019. For word alignment: Yuki Arase et al.: Unbalanced Optimal Transport for
    Unbalanced Word Alignment. ACL 2023.
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options = self.options
        return converged_loss(
            measures(pair, options), options, tau=options.tau, debias=options.debias
        )
