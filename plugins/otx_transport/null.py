"""Transport with a null word that a word may go to instead of a partner."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.ot.costs.ground import COSTS
from otx.ot.costs.transforms import add_null_word, equidistant_direction, min_max_scale
from otx.ot.solvers.partial import partial_transport
from otx.ot.transport import Transport
from otx.types import EncodedPair, Loss
from otx_transport.entropic import mean_loss
from otx_transport.measures import measures
from otx_transport.options import NullOptions
from otx_transport.over_measures import OverMeasures


class Null(OverMeasures[NullOptions]):
    """The mean over problems and both directions of one-sided transport with a null word.

    ::

        loss = 1/(2P) sum over problems  (N(x, a; y, b) + N(y, b; x, a))
        N    = min over plans pi >= 0 with rows a, columns <= (b, mass)  of
               sum_ij pi_ij C'_ij + epsilon KL(pi | a (b, mass)^T)

    C' is the cost with one more column, the null word's, shifted and divided so that each problem
    ranges from 0 to 1. The price of the null word for x_i is its cost to the direction that is
    equally far from all words of the other side, but at least the median of the problem's costs.
    Every word of the first side finds a partner or the null word; words of the other may be left
    out. Masses a and b sum to 1.

    The gradient is the plan times the costs' gradients, through both sides; the price, the shift
    and the divisor are constants: nothing is drawn to the null word, and what goes there is left
    alone. Needs hidden states ``[B, T, D]`` of one layer; problems, masses, costs and scope as in
    ``sinkhorn``. ``null_share`` among the terms is how much of the mass the null word gets.

    Neighbours: ``unbalanced`` and ``partial`` leave mass behind without a place to put it; here one
    can read off which words found nothing. Costs are relative, so the loss does not fall to 0 as
    the sides come together, and there is no debiased form; ``keep-close`` is needed. Not for
    encoders that hardly align: half of the words then go to the null word, and stay.

    Chenyang Huang et al.: OTTAWA. Findings of ACL 2024 (made for finding hallucinations in
    translations; that it trains an encoder is new here).
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        sides = measures(pair, self.options)
        forth = self._one_way(sides.x, sides.y, sides.a, sides.b)
        back = self._one_way(sides.y, sides.x, sides.b, sides.a)
        loss = mean_loss((forth.value + back.value) / 2, forth)
        to_null = [way.plan[:, :, -1].sum(1) for way in (forth, back)]
        loss.terms["null_share"] = torch.stack(to_null).mean()
        for name, values in (
            ("converged", [forth.converged.float(), back.converged.float()]),
            ("marginal_error", [forth.marginal_error, back.marginal_error]),
            ("iterations", [forth.iterations.float(), back.iterations.float()]),
        ):
            loss.health[name] = torch.stack(values).mean()
        loss.plan = lambda: forth.plan[:, :, :-1]
        return loss

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
