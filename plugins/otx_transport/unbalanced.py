"""Entropic transport between the two sides' words in which words may stay without a partner."""

from __future__ import annotations

from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, converged_loss, measures
from otx_transport.options import UnbalancedOptions


class Unbalanced(TransportObjective[UnbalancedOptions]):
    """Divergence of KL-unbalanced transport, in which words may stay without a partner.

    Minimises::

        loss     = 1/P sum over problems  S(a, b)
        S(a, b)  = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2
        OT(a, b) = min over plans pi >= 0  of  sum_ij pi_ij C_ij + epsilon KL(pi | a b^T)
                   + tau KL(pi 1 | a) + tau KL(pi^T 1 | b)

    with KL(p | q) = sum p log(p / q) - p + q; without ``debias`` the loss is OT(a, b). Problems, masses (which sum to
    1), costs, gradient and shapes are those of ``sinkhorn``, which is the limit of a large ``tau``. A word whose cost
    to all others is c keeps about exp(-c / (2 tau)) of its mass in the plan, and loses influence accordingly: ``tau``
    belongs to the scale of the cost, and the default to cosine. The health number ``mass`` is what is transported of an
    expected 1: well below 1 is normal; near 0 means that ``tau`` is too small to move anything.

    Args:
        options: Options of ``unbalanced``: those of ``sinkhorn``, and ``tau`` (0.5, in the unit of the cost, above 0).
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        ``sinkhorn`` forces a partner on every word. Prefer this objective if translations are free or noisy.

    When not to use it:
        With a ``tau`` well below the typical cost: the value saturates at 2 tau, and distant words, which should move,
        are the ones that are given up.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Unbalanced(UnbalancedOptions(tau=0.5), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, loss.health["converged"].item()
        (torch.Size([]), 1.0)

    References:
        - Chizat et al. (2018), "Scaling Algorithms for Unbalanced Optimal Transport Problems".
          https://arxiv.org/abs/1607.05816
        - Sejourne et al. (2019), "Sinkhorn Divergences for Unbalanced Optimal Transport".
          https://arxiv.org/abs/1910.12958
        - Arase, Bao & Yokoi (2023), "Unbalanced Optimal Transport for Unbalanced Word Alignment".
          https://arxiv.org/abs/2306.04116
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        options = self.options
        return converged_loss(
            measures(pair, options), options, tau=options.tau, debias=options.debias
        )
