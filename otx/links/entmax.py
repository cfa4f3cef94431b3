"""1.5-entmax: a sparse softmax that sets most of its entries to exactly zero."""

from __future__ import annotations

import torch
from torch import Tensor


def entmax15(scores: Tensor, dim: int) -> Tensor:
    """Compute 1.5-entmax along a dimension, exactly, by sorting.

    The result is ``max(0, scores / 2 - tau)^2`` with the tau for which it sums to 1.

    Of the k largest halved scores, with mean M and sum of squared deviations S, ``tau = M - sqrt((1 - S) / k)``; k is
    the largest number for which the k-th score is above tau.

    Args:
        scores: Scores of any shape, finite.
        dim: Dimension along which the result sums to 1.

    Returns:
        Probabilities of the same shape, many of them exactly 0.

    Example:
        >>> entmax15(torch.tensor([3.0, 0.0, 0.0]), 0)
        tensor([1., 0., 0.])

    References:
        Peters, Niculae and Martins (2019), "Sparse Sequence-to-Sequence Models", algorithm 2.
        https://aclanthology.org/P19-1146
    """
    halves = scores.movedim(dim, -1) / 2
    halves = halves - halves.amax(-1, keepdim=True)
    ordered = halves.sort(-1, descending=True).values
    count = torch.arange(1, ordered.shape[-1] + 1, device=scores.device).to(scores)
    mean = ordered.cumsum(-1) / count
    spread = (ordered.square().cumsum(-1) / count - mean.square()) * count
    taus = mean - ((1 - spread) / count).clamp(min=0).sqrt()
    support = (taus <= ordered).sum(-1, keepdim=True)
    tau = taus.gather(-1, support - 1)
    return (halves - tau).clamp(min=0).square().movedim(-1, dim)
