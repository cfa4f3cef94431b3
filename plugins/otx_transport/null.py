"""Transport with a null word that a word may go to instead of a partner."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from otx.ot.costs.ground import COSTS
from otx.ot.costs.transforms import add_null_word, equidistant_direction, min_max_scale
from otx.ot.solvers.partial import partial_transport
from otx.ot.transport import Transport
from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, mean_loss, measures
from otx_transport.options import NullOptions


class Null(TransportObjective[NullOptions]):
    """One-sided transport with a null word, in both directions.

    Minimises::

        loss = 1/(2P) sum over problems  (N(x, a; y, b) + N(y, b; x, a))
        N    = min over plans pi >= 0 with rows a, columns <= (b, mass)  of
               sum_ij pi_ij C'_ij + epsilon KL(pi | a (b, mass)^T)

    C' is the cost with one more column, the null word's, shifted and divided so that each problem ranges from 0 to 1.
    The price of the null word for x_i is its cost to the direction that is equally far from all words of the other
    side, but at least the median of the problem's costs. Every word of the first side finds a partner or the null word;
    words of the other side may be left out. Masses a and b sum to 1.

    The gradient is the plan times the gradients of the costs, through both sides. The price, the shift and the divisor
    are constants, so nothing is drawn to the null word, and what goes there is left alone. The term ``null_share`` is
    the share of the mass that the null word receives. ``Loss.plan`` is ``[B, W, W']``, pooled ``[1, N, M]``.

    Args:
        options: Options of ``null``: those of ``sinkhorn`` without ``debias``, with ``epsilon`` (0.05, a share of the
            scaled costs' range), ``mass`` (1.0 for the null word, above 0) and ``max_iterations`` (2,000).
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        ``unbalanced`` and ``partial`` leave mass behind without a destination; here one can see which words found
        nothing. Costs are relative, so the loss does not fall to 0 as the sides approach each other, and it has no
        debiased form: it needs ``keep-close``. OTTAWA uses it to find hallucinations in translations; training an
        encoder with it is new here.

    When not to use it:
        For encoders that hardly align: half of the words then go to the null word, and stay there.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Null(NullOptions(), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> bool(0 <= loss.terms["null_share"] <= 1)
        True

    References:
        - Huang et al. (2024), "OTTAWA: Optimal TransporT Adaptive Word Aligner". Findings of ACL 2024.
          https://github.com/chenyangh/OTTAWA
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        sides = measures(pair, self.options)
        forth = self._one_way(sides.x, sides.y, sides.a, sides.b)
        back = self._one_way(sides.y, sides.x, sides.b, sides.a)
        loss = mean_loss((forth.value + back.value) / 2, forth)
        to_null = [way.plan[:, :, -1].sum(1) for way in (forth, back)]
        both = {
            "converged": [forth.converged.float(), back.converged.float()],
            "marginal_error": [forth.marginal_error, back.marginal_error],
            "iterations": [forth.iterations.float(), back.iterations.float()],
        }
        return replace(
            loss,
            terms=loss.terms | {"null_share": torch.stack(to_null).mean()},
            health=loss.health | {name: torch.stack(way).mean() for name, way in both.items()},
            plan=lambda: forth.plan[:, :, :-1],
        )

    def _one_way(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Transport:
        options, real = self.options, (a > 0, b > 0)
        cost = COSTS[options.cost]
        price = cost(x.detach(), equidistant_direction(y, real[1])[:, None].to(x))[:, :, 0]
        extended = add_null_word(cost(x, y), real[0], b, price=price, mass=options.mass)
        return partial_transport(
            min_max_scale(extended.cost, real[0], extended.b > 0),
            a,
            extended.b,
            epsilon=options.epsilon,
            mass=a.detach().sum(1),
            tolerance=options.tolerance,
            max_iterations=options.max_iterations,
        )
