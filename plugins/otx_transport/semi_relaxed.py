"""Entropic transport in which every word of one side has a partner, and words of the other may have none."""

from __future__ import annotations

import math

from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, mean_loss, measures, transported
from otx_transport.options import SemiRelaxedOptions


class SemiRelaxed(TransportObjective[SemiRelaxedOptions]):
    """Entropic transport with one hard marginal and one that may be missed at a price.

    Minimises, for ``relaxed = "pivot"``::

        loss     = 1/P sum over problems  OT(a, b)
        OT(a, b) = min over plans pi >= 0 with rows a  of
                   sum_ij pi_ij C_ij + epsilon KL(pi | a b^T) + tau KL(pi^T 1 | b)

    Every source word goes somewhere, and pivot words may receive more or less than their mass; ``relaxed = "source"``
    swaps the sides. KL(p | q) = sum p log(p / q) - p + q. Problems, masses, costs, gradient and shapes are those of
    ``sinkhorn``, the limit of a large ``tau``. As ``tau`` approaches 0, each word of the hard side goes to its nearest
    word (at temperature epsilon), as in a one-sided softmax.

    Args:
        options: Options of ``semi-relaxed``: those of ``sinkhorn`` without ``debias``, with ``relaxed`` ("pivot") and
            ``tau`` (0.1, in the unit of the cost, above 0).
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        ``unbalanced`` relaxes both sides. Prefer this objective if one side says more than the other, as explained or
        padded translations do. It has no debiased form, since the side against itself is not symmetric: the loss is
        smallest if all words coincide, so it needs ``keep-close``.

    When not to use it:
        With a small ``tau`` and a weak encoder: hubs then receive everything.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = SemiRelaxed(SemiRelaxedOptions(relaxed="pivot"), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Vincent-Cuaz et al. (2022), "Semi-relaxed Gromov-Wasserstein Divergence" (for the name).
          https://arxiv.org/abs/2110.02753
        - Chizat et al. (2018), "Scaling Algorithms for Unbalanced Optimal Transport Problems".
          https://arxiv.org/abs/1607.05816
    """

    def __init__(self, options: SemiRelaxedOptions, dimension: int) -> None:
        super().__init__(options, dimension)
        hard, soft = math.inf, options.tau
        self.tau = (hard, soft) if options.relaxed == "pivot" else (soft, hard)

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        solved = transported(measures(pair, self.options), self.options, self.tau)
        return mean_loss(solved.value, solved)
