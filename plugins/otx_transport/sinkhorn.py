"""Entropic optimal transport between the two sides' words."""

from __future__ import annotations

from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, converged_loss, measures
from otx_transport.options import SinkhornOptions


class Sinkhorn(TransportObjective[SinkhornOptions]):
    """Sinkhorn divergence between the two sides' words, or with ``debias`` off its first term.

    Minimises::

        loss     = 1/P sum over problems  S(a, b)
        S(a, b)  = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2
        OT(a, b) = min over plans pi >= 0 with rows a and columns b  of
                   sum_ij pi_ij C_ij + epsilon KL(pi | a b^T)

    A problem is one pair (``scope = "sentence"``) or all words of each side of the batch (``scope = "batch"``, P = 1).
    Masses a and b sum to 1 in each problem, so OT is a mean over words, weighted by ``marginals``: uniform, the L2 norm
    of the vector (detached; Word Rotator's Distance), or smooth idf counted on the bitext. C is the cost named by
    ``cost``; all costs but cosine are sums over dimensions, so epsilon and the weight of the loss depend on the
    encoder's width and scale.

    The gradient is the envelope's: the plans times the gradients of the costs, through both sides, in both arguments of
    the self terms. Norm masses are constants. ``Loss.plan`` is ``[B, W, W']``, pooled ``[1, N, M]``.

    Args:
        options: Options of ``sinkhorn``: ``cost`` ("cosine"), ``epsilon`` (0.1, in the unit of the cost, above 0),
            ``tolerance`` (1e-6 of mass) and ``max_iterations`` (200) of the solver; ``marginals`` ("uniform"), ``unit``
            ("words"), ``layer`` (-1) and ``word_vector`` ("last") of the points; ``scope`` ("sentence"); ``debias``
            (True).
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        The recipe ``wordot-text`` is this objective with euclidean cost, pooled; the recipe ``wordot`` is
        ``annealed-divergence``. ``unbalanced`` lets words stay without a partner, which noisy bitext needs; here every
        word must have one. Combine it with ``keep-close``.

    When not to use it:
        Without watching the diagnostics: the value brings distributions together and does not enforce one-to-one
        matching (an independent test saw alignment error rise from .18 to .32 with the paper's objective). Without
        ``debias``, the loss is smallest if all words coincide. Not for costs of tens of thousands of epsilons, such as
        half squared euclidean with GeomLoss's epsilon of .0025: pooled batches then do not converge, and the run stops.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Sinkhorn(SinkhornOptions(epsilon=0.1), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, loss.health["converged"].item()
        (torch.Size([]), 1.0)

    References:
        - Alqahtani et al. (2021), "Using Optimal Transport as Alignment Objective for fine-tuning Multilingual
          Contextualized Embeddings". https://arxiv.org/abs/2110.02887
        - Feydy et al. (2019), "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences".
          https://arxiv.org/abs/1810.08278
        - Yokoi et al. (2020), "Word Rotator's Distance". https://arxiv.org/abs/2004.15003
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        options = self.options
        return converged_loss(measures(pair, options), options, tau=None, debias=options.debias)
