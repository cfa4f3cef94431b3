"""Transport that keeps the structure within each sentence as well."""

from __future__ import annotations

from otx.ot.costs.ground import COSTS
from otx.ot.solvers.fused_gromov import fused_gromov
from otx.types import EncodedPair, Loss
from otx_transport.entropic import mean_loss
from otx_transport.measures import measures
from otx_transport.options import FusedGromovOptions
from otx_transport.over_measures import OverMeasures


class FusedGromov(OverMeasures[FusedGromovOptions]):
    """The mean over problems of entropic fused Gromov-Wasserstein transport.

    ::

        loss = 1/P sum over problems  min over plans pi >= 0 with rows a and columns b  of
               (1 - alpha) sum_ij pi_ij C_ij
               + alpha sum_ijkl pi_ij pi_kl (D_ik - E_jl)^2 + epsilon KL(pi | a b^T)

    C is the cost between the sides, D and E the same cost within the source and the pivot side: two
    words are good partners if they are near, and if they stand alike to the other words of their
    sentences. The minimum is a local one, from the independent plan on; the gradient is the
    envelope's there, through C, D and E. Masses, problems, needs, scope and shapes as in
    ``sinkhorn``; the iterations of the health are outer steps, each a whole transport problem.

    Neighbours: ``sinkhorn`` (alpha = 0, not debiased) sees words one by one, so that repeated words
    and inflected forms are matched at random; the structure term is one answer to that, word
    contexts being in the vectors already another. It costs 5 to 20 times ``sinkhorn``. The loss is
    smallest where all words lie in one point, in both of its terms; ``keep-close`` is needed. An
    experiment: no gain on a multilingual encoder has been published. Not for pooled batches.

    Titouan Vayer et al.: Optimal Transport for Structured Data with Application on Graphs. ICML
    2019. Liqun Chen et al.: Graph Optimal Transport for Cross-Domain Alignment. ICML 2020.
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options, sides = self.options, measures(pair, self.options)
        cost = COSTS[options.cost]
        solved = fused_gromov(
            cost(sides.x, sides.y),
            sides.a,
            sides.b,
            distances_a=cost(sides.x, sides.x),
            distances_b=cost(sides.y, sides.y),
            epsilon=options.epsilon,
            alpha=options.alpha,
            tolerance=options.tolerance,
            max_iterations=options.max_iterations,
        )
        return mean_loss(solved.value, solved)
