"""The two sides as Gaussians, at their distance in closed form, and their kernel discrepancy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, measures
from otx_transport.options import GaussianOptions

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Of the kernel, around the mean squared distance between the sides (Tolstikhin et al. 2018)."""
TINY = 1e-12
"""Added to variances: the deviation of a single word has a gradient of 0 by it, not of infinity."""


class Gaussian(TransportObjective[GaussianOptions]):
    """Squared 2-Wasserstein distance of the sides as Gaussians, plus a kernel discrepancy.

    Minimises::

        loss = 1/P sum over problems  ||m - m'||^2 + ||s - s'||^2 + mmd * MMD^2
        MMD^2 = sum_ii' a_i a_i' k(x_i, x_i') + sum_jj' b_j b_j' k(y_j, y_j') - 2 sum_ij a_i b_j k(x_i, y_j)
        k(u, v) = 1/7 sum over scales c  c V / (c V + ||u - v||^2)

    m, m' ``[D]`` are the means of the two sides under the masses a and b (which sum to 1), and s, s' their standard
    deviations, dimension by dimension: this is the distance, in closed form, of Gaussians with diagonal covariances. k
    is the inverse multiquadratic kernel with scales from .1 to 10 around V, the mean squared distance between the
    sides, a constant of the step. With ``normalise``, words are scaled to length 1 first. The gradient is exact.

    Args:
        options: Options of ``gaussian``: ``mmd`` (1.0, at least 0); ``normalise`` (True); ``marginals`` ("uniform"),
            ``unit`` ("words"), ``layer`` (-1), ``word_vector`` ("last"), ``scope`` ("batch").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``batch``; ``mean`` over the pairs for ``scope = "sentence"``. The moments of one short sentence say little.

    Relation to others:
        ``sliced`` and pooled ``divergence`` compare whole distributions; ``adversarial`` learns what distinguishes
        them. The Gaussians of MINOTAUR are a parser's posteriors of single tokens, with an MMD on their aggregate; an
        encoder has no posteriors, so here they are the moments of the words, and text that is not parallel would serve
        as well.

    When not to use it:
        Alone: two moments can be equal with every word in the wrong place. Combine it with an objective that matches
        words.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Gaussian(GaussianOptions(mmd=1.0), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Sherborne, Hosking & Lapata (2023), "Optimal Transport Posterior Alignment for Cross-lingual Semantic
          Parsing". https://arxiv.org/abs/2307.04096
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        sides = measures(pair, self.options)
        x, y = self._points(sides.x, sides.a), self._points(sides.y, sides.b)
        with no_autocast(x):
            distance = wasserstein(x, y, sides.a, sides.b).mean()
            discrepancy = mmd(x, y, sides.a, sides.b).mean()
        terms = {"wasserstein": distance.detach(), "mmd": discrepancy.detach()}
        value = distance + self.options.mmd * discrepancy
        return Loss(value, count=len(sides.a), terms=terms)

    def _points(self, points: Tensor, masses: Tensor) -> Tensor:
        points = at_least_float32(points).masked_fill((masses == 0)[:, :, None], 0)
        return F.normalize(points, dim=-1) if self.options.normalise else points


def wasserstein(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the squared 2-Wasserstein distance of diagonal Gaussians with the moments of two measures.

    Args:
        x: Points ``[P, N, D]``.
        y: Points ``[P, M, D]``.
        a: Masses ``[P, N]`` that sum to 1; 0 marks padding.
        b: Masses ``[P, M]``, likewise.

    Returns:
        Squared distances ``[P]``.
    """
    (mean_x, deviation_x), (mean_y, deviation_y) = _moments(x, a), _moments(y, b)
    return (mean_x - mean_y).square().sum(1) + (deviation_x - deviation_y).square().sum(1)


def mmd(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy of two measures, with inverse multiquadratic kernels.

    Args:
        x: Points ``[P, N, D]``.
        y: Points ``[P, M, D]``.
        a: Masses ``[P, N]`` that sum to 1; 0 marks padding.
        b: Masses ``[P, M]``, likewise.

    Returns:
        Squared discrepancies ``[P]``, never negative.
    """
    between = _squared(x, y)
    width = (a[:, :, None] * b[:, None, :] * between.detach()).sum((1, 2)).clamp(min=TINY)
    within = _mean(_squared(x, x), a, a, width) + _mean(_squared(y, y), b, b, width)
    return within - 2 * _mean(between, a, b, width)


def _moments(points: Tensor, masses: Tensor) -> tuple[Tensor, Tensor]:
    weight = masses[:, :, None]
    mean = (weight * points).sum(1)
    variance = (weight * (points - mean[:, None]).square()).sum(1)
    return mean, (variance + TINY).sqrt()


def _squared(x: Tensor, y: Tensor) -> Tensor:
    squares = x.square().sum(2)[:, :, None] + y.square().sum(2)[:, None, :]
    return (squares - 2 * x @ y.mT).clamp(min=0)


def _mean(squared: Tensor, a: Tensor, b: Tensor, width: Tensor) -> Tensor:
    scales = torch.tensor(SCALES).to(width)[:, None, None, None] * width[:, None, None]
    kernel = (scales / (scales + squared)).mean(0)
    return (a[:, :, None] * b[:, None, :] * kernel).sum((1, 2))
