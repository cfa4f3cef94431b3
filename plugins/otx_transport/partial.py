"""Entropic transport of a share of the words' mass."""

from __future__ import annotations

from otx.ot.costs.ground import COSTS
from otx.ot.solvers.partial import partial_transport
from otx.types import EncodedPair, Loss
from otx_transport.entropic import mean_loss
from otx_transport.measures import measures
from otx_transport.options import PartialOptions
from otx_transport.over_measures import OverMeasures


class Partial(OverMeasures[PartialOptions]):
    """The mean over problems of transport in which only a share of the mass has to move.

    ::

        loss = 1/P sum over problems  min over plans pi >= 0 with rows <= a, columns <= b
               and a total of ``share``  of  sum_ij pi_ij C_ij + epsilon KL(pi | a b^T)

    Masses a and b sum to 1, so 1 - share of each side stays where it is: the words that are dearest
    to move. Problems, masses, costs, needs, scope and shapes are those of ``sinkhorn``, the limit of
    ``share`` = 1; the gradient is the plan times the costs' gradients. The health's mass is the share.

    Neighbours: ``unbalanced`` lets the price decide how much stays, problem by problem; here the
    amount is fixed and the price follows. Solved by cyclic projections, which take more iterations
    than Newton's steps: slower than ``sinkhorn``. There is no debiased form; ``keep-close`` is
    needed. Not for clean, short pairs, where it leaves good partners apart.

    Jean-David Benamou et al.: Iterative Bregman Projections for Regularized Transportation
    Problems. SIAM Journal on Scientific Computing 2015. For word alignment: Yuki Arase et al.:
    Unbalanced Optimal Transport for Unbalanced Word Alignment. ACL 2023.
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options, sides = self.options, measures(pair, self.options)
        solved = partial_transport(
            COSTS[options.cost](sides.x, sides.y),
            sides.a,
            sides.b,
            epsilon=options.epsilon,
            mass=options.share,
            tolerance=options.tolerance,
            max_iterations=options.max_iterations,
        )
        return mean_loss(solved.value, solved, expected_mass=options.share)
