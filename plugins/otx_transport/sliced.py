"""Sliced transport: the sides compared on many lines, where transport is sorting."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from otx.ot.precision import at_least_float32, no_autocast
from otx.ot.solvers.univariate import wasserstein_1d
from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, measures
from otx_transport.options import SlicedOptions


class Sliced(TransportObjective[SlicedOptions]):
    """Sliced squared 2-Wasserstein distance between the two sides' words, times the dimension.

    Minimises::

        loss = 1/P sum over problems  D/K sum over directions k  W_k
        W_k  = integral over q in (0, 1)  (q-quantile of u_k . x  -  q-quantile of u_k . y)^2 dq

    Words are projected on K lines u_k of unit length; on a line, the optimal plan matches quantiles. D times the mean
    over all lines is at most the squared Wasserstein distance, and equal to it for two single words. Masses a and b sum
    to 1 and are constants. With ``normalise``, words are scaled to length 1 first, and the value is in the unit of
    twice the cosine cost.

    The K random lines (orthogonal, as far as D allows) are drawn when the run begins and saved in its checkpoints:
    fresh lines at every step would be less biased, but a loss is a function of its batch here. There is neither a plan
    nor a solver that could fail. The distance of equal sides is 0, so it needs no debiasing.

    Args:
        options: Options of ``sliced``: ``directions`` (64); ``normalise`` (True); ``marginals`` ("uniform"), ``unit``
            ("words"), ``layer`` (-1), ``word_vector`` ("last"), ``scope`` ("sentence").
        dimension: Width D of the encoder's states.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        ``gaussian`` compares two moments of the distributions; ``sinkhorn`` matches words.

    When not to use it:
        If one-to-one matching matters. An ablation: the cheapest transport, whose words are matched differently on each
        line, so that it compares distributions only. No use of it on multilingual encoders is known.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Sliced(SlicedOptions(directions=16), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Bonneel et al. (2015), "Sliced and Radon Wasserstein Barycenters of Measures".
          https://doi.org/10.1007/s10851-014-0506-3
    """

    lines: Tensor

    def __init__(self, options: SlicedOptions, dimension: int) -> None:
        super().__init__(options, dimension)
        self.register_buffer("lines", _lines(dimension, options.directions))

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        sides = measures(pair, self.options)
        x, y = self._projected(sides.x, sides.a), self._projected(sides.y, sides.b)
        distances = wasserstein_1d(x, y, sides.a, sides.b)
        return Loss(len(self.lines) * distances.mean(), count=len(distances))

    def _projected(self, points: Tensor, masses: Tensor) -> Tensor:
        points = at_least_float32(points).masked_fill((masses == 0)[:, :, None], 0)
        if self.options.normalise:
            points = F.normalize(points, dim=-1)
        with no_autocast(points):
            return points @ self.lines.to(points)


def _lines(dimension: int, count: int) -> Tensor:
    """Random unit vectors ``[D, K]``, orthogonal within each D of them."""
    frames = [
        torch.linalg.qr(torch.randn(dimension, dimension)).Q for _ in range(-(-count // dimension))
    ]
    return torch.cat(frames, 1)[:, :count].contiguous()
