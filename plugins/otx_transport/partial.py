"""Entropic transport of a share of the words' mass."""

from __future__ import annotations

from otx.ot.costs.ground import COSTS
from otx.ot.solvers.partial import partial_transport
from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, mean_loss, measures
from otx_transport.options import PartialOptions


class Partial(TransportObjective[PartialOptions]):
    """Entropic transport in which only a share of the mass has to move.

    Minimises::

        loss = 1/P sum over problems  min over plans pi >= 0 with rows <= a, columns <= b
               and a total of ``share``  of  sum_ij pi_ij C_ij + epsilon KL(pi | a b^T)

    Masses a and b sum to 1, so 1 - share of each side stays: the words that are most expensive to move. Problems,
    masses, costs and shapes are those of ``sinkhorn``, the limit of ``share`` = 1. The gradient is the plan times the
    gradients of the costs. The health number ``mass`` is the share.

    Args:
        options: Options of ``partial``: those of ``sinkhorn`` without ``debias``, with ``share`` (0.8, above 0 and at
            most 1) and ``max_iterations`` (2,000).
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        ``unbalanced`` lets a price decide how much mass stays in each problem; here the amount is fixed and the price
        follows. Cyclic projections solve it, which take more iterations than Newton's steps: slower than ``sinkhorn``.
        It has no debiased form, so it needs ``keep-close``.

    When not to use it:
        For clean, short pairs, where it leaves good partners apart.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Partial(PartialOptions(share=0.8), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Benamou et al. (2015), "Iterative Bregman Projections for Regularized Transportation Problems".
          https://arxiv.org/abs/1412.5154
        - Arase, Bao & Yokoi (2023), "Unbalanced Optimal Transport for Unbalanced Word Alignment".
          https://arxiv.org/abs/2306.04116
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
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
