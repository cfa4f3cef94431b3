"""Transport that keeps the structure within each sentence as well."""

from __future__ import annotations

from otx.ot.costs.ground import COSTS
from otx.ot.solvers.fused_gromov import fused_gromov
from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, mean_loss, measures
from otx_transport.options import FusedGromovOptions


class FusedGromov(TransportObjective[FusedGromovOptions]):
    """Entropic fused Gromov-Wasserstein transport, which keeps the structure of sentences.

    Minimises::

        loss = 1/P sum over problems  min over plans pi >= 0 with rows a and columns b  of
               (1 - alpha) sum_ij pi_ij C_ij
               + alpha sum_ijkl pi_ij pi_kl (D_ik - E_jl)^2 + epsilon KL(pi | a b^T)

    C is the cost between the sides, D and E the same cost within the source and the pivot side: two words are good
    partners if they are near, and if they relate alike to the other words of their sentences. The minimum is a local
    one, reached from the independent plan; the gradient is the envelope's there, through C, D and E. Masses, problems
    and shapes are those of ``sinkhorn``. The health number ``iterations`` counts outer steps, each a whole transport
    problem.

    Args:
        options: Options of ``fused-gromov``: those of ``sinkhorn`` without ``debias``, with ``alpha`` (0.5, from 0 to
            1), ``tolerance`` (1e-5) and ``max_iterations`` (100).
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        ``sinkhorn`` (alpha = 0, without debiasing) sees words one by one, so that repeated words and inflected forms
        are matched at random. The structure term is one answer; the context in the vectors is another. It costs 5 to 20
        times as much as ``sinkhorn``. Both of its terms are smallest if all words coincide, so it needs
        ``keep-close``.

    When not to use it:
        For pooled batches. An experiment: no gain on a multilingual encoder has been published.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = FusedGromov(FusedGromovOptions(alpha=0.5), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Vayer et al. (2019), "Optimal Transport for Structured Data with Application on Graphs".
          https://arxiv.org/abs/1805.09114
        - Chen et al. (2020), "Graph Optimal Transport for Cross-Domain Alignment". https://arxiv.org/abs/2006.14744
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
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
