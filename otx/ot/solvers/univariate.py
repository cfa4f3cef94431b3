"""Transport on a line, where the optimal plan matches quantiles."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.ot.precision import at_least_float32, no_autocast


def wasserstein_1d(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The exact squared 2-Wasserstein distance ``[B, K]`` of K pairs of measures on the line.

    ``x [B, N, K]`` and ``y [B, M, K]`` are places, masses ``a [B, N]`` and ``b [B, M]`` each sum to 1 and are 0
    at padding, where places must be finite. The distance is the integral over q in (0, 1) of the
    squared difference of the two sides' q-quantiles (Santambrogio 2015, proposition 2.17);
    differentiable by the places, the masses are constants.
    """
    with no_autocast(x):
        (x, above_x), (y, above_y) = (
            _ordered(at_least_float32(x), a),
            _ordered(at_least_float32(y), b),
        )
        ends = torch.cat((above_x, above_y), 1).sort(1).values
        starts = torch.nn.functional.pad(ends, (0, 0, 1, 0))[:, :-1]
        middle = (starts + ends) / 2
        gap = _quantile(x, above_x, middle) - _quantile(y, above_y, middle)
        return ((ends - starts) * gap.square()).sum(1)


def _ordered(places: Tensor, masses: Tensor) -> tuple[Tensor, Tensor]:
    """Places ``[B, N, K]`` in order, and the mass up to each, itself included."""
    ordered, order = places.sort(1)
    own = at_least_float32(masses.detach())[:, :, None].expand_as(places).gather(1, order)
    return ordered, own.cumsum(1)


def _quantile(ordered: Tensor, above: Tensor, shares: Tensor) -> Tensor:
    """The places ``[B, Q, K]`` below which ``shares [B, Q, K]`` of the mass lie."""
    rows, wanted = above.transpose(1, 2).contiguous(), shares.transpose(1, 2).contiguous()
    index = torch.searchsorted(rows, wanted).clamp(max=ordered.shape[1] - 1)
    return ordered.gather(1, index.transpose(1, 2))
