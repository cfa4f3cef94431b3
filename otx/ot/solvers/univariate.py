"""Transport on a line, where the optimal plan matches quantiles."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.ot.precision import at_least_float32, no_autocast


def wasserstein_1d(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Compute the exact squared 2-Wasserstein distance between measures on the line.

    The distance is the integral over q in (0, 1) of the squared difference of the two sides' q-quantiles. It is
    differentiable by the points; the masses are constants.

    Args:
        x: Source points ``[B, N, K]``, of K pairs of measures; finite, also at padding.
        y: Target points ``[B, M, K]``; finite, also at padding.
        a: Source masses ``[B, N]``; each problem sums to 1; 0 marks padding.
        b: Target masses ``[B, M]``; each problem sums to 1; 0 marks padding.

    Returns:
        The distances ``[B, K]``.

    Example:
        >>> x, y = torch.tensor([[[0.0], [1.0]]]), torch.tensor([[[4.0], [3.0]]])
        >>> wasserstein_1d(x, y, torch.full((1, 2), 0.5), torch.full((1, 2), 0.5))
        tensor([[9.]])

    References:
        Santambrogio (2015), "Optimal Transport for Applied Mathematicians", proposition 2.17.
        https://doi.org/10.1007/978-3-319-20828-2
    """
    with no_autocast(x):
        x, above_x = _sort(at_least_float32(x), a)
        y, above_y = _sort(at_least_float32(y), b)
        ends = torch.cat((above_x, above_y), 1).sort(1).values
        starts = torch.nn.functional.pad(ends, (0, 0, 1, 0))[:, :-1]
        middle = (starts + ends) / 2
        gap = _quantile(x, above_x, middle) - _quantile(y, above_y, middle)
        return ((ends - starts) * gap.square()).sum(1)


def _sort(points: Tensor, masses: Tensor) -> tuple[Tensor, Tensor]:
    """Return the points ``[B, N, K]`` in order, and the mass up to and including each."""
    ordered, order = points.sort(1)
    mass = at_least_float32(masses.detach())[:, :, None].expand_as(points).gather(1, order)
    return ordered, mass.cumsum(1)


def _quantile(ordered: Tensor, above: Tensor, shares: Tensor) -> Tensor:
    """Return the points ``[B, Q, K]`` below which ``shares [B, Q, K]`` of the mass lie."""
    rows, values = above.transpose(1, 2).contiguous(), shares.transpose(1, 2).contiguous()
    index = torch.searchsorted(rows, values).clamp(max=ordered.shape[1] - 1)
    return ordered.gather(1, index.transpose(1, 2))
