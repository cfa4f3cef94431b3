"""Sliced transport: the sides compared on many lines, where transport is sorting."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from otx.ot.precision import full_precision, raised
from otx.ot.solvers.univariate import wasserstein_1d
from otx.types import EncodedPair, Loss
from otx_transport.measures import measures
from otx_transport.options import SlicedOptions
from otx_transport.over_measures import OverMeasures


class Sliced(OverMeasures[SlicedOptions]):
    """The mean over problems of the sliced squared 2-Wasserstein distance, times the dimension.

    ::

        loss = 1/P sum over problems  D/K sum over directions k  W_k
        W_k  = integral over q in (0, 1)  (q-quantile of u_k . x  -  q-quantile of u_k . y)^2 dq

    Words are projected on K lines u_k of unit length; on a line the optimal plan matches quantiles.
    D times the mean over all lines is at most the squared Wasserstein distance, and equal to it for
    two single words. Masses a and b sum to 1 and are constants; with ``normalise`` words are brought
    to length 1 first, and the value is then in the units of twice the cosine cost.

    The lines are K random ones (orthogonal, as far as D allows), drawn when the run begins and kept
    in its checkpoints: fresh ones at every step would be less biased, but a loss is a function of
    its batch here. Needs hidden states ``[B, T, D]`` of one layer. Scope as set, shapes as in
    ``sinkhorn``. There is neither a plan nor a solver that could fail; the distance is 0 for equal
    sides, so it needs no debiasing.

    An ablation: the cheapest transport there is, and words are matched differently on each line, so
    that it compares distributions only. Neighbours: ``gaussian`` compares two moments of them,
    ``sinkhorn`` matches words. No use of it on multilingual encoders is known. Not where one-to-one
    matching is what is wanted.

    Nicolas Bonneel et al.: Sliced and Radon Wasserstein Barycenters of Measures. Journal of
    Mathematical Imaging and Vision 2015.
    """

    lines: Tensor

    def __init__(self, options: SlicedOptions, dimension: int) -> None:
        super().__init__(options, dimension)
        self.register_buffer("lines", _lines(dimension, options.directions))

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        sides = measures(pair, self.options)
        x, y = self._projected(sides.x, sides.a), self._projected(sides.y, sides.b)
        distances = wasserstein_1d(x, y, sides.a, sides.b)
        return Loss(len(self.lines) * distances.mean(), count=len(distances))

    def _projected(self, points: Tensor, masses: Tensor) -> Tensor:
        points = raised(points).masked_fill((masses == 0)[:, :, None], 0)
        if self.options.normalise:
            points = F.normalize(points, dim=-1)
        with full_precision(points):
            return points @ self.lines.to(points)


def _lines(dimension: int, count: int) -> Tensor:
    """Random unit vectors ``[D, K]``, orthogonal within each D of them."""
    frames = [
        torch.linalg.qr(torch.randn(dimension, dimension)).Q for _ in range(-(-count // dimension))
    ]
    return torch.cat(frames, 1)[:, :count].contiguous()
