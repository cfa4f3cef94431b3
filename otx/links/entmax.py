"""1.5-entmax: a softmax that gives most of its entries exactly nothing."""

from __future__ import annotations

import torch
from torch import Tensor


def entmax15(scores: Tensor, dim: int) -> Tensor:
    """``max(0, scores / 2 - tau)^2`` along ``dim``, with the tau by which it sums to 1; exact, by sorting.

    Peters, Niculae, Martins, "Sparse Sequence-to-Sequence Models", ACL 2019, algorithm 2: of the k largest halved
    scores, with mean M and S the sum of squared deviations, tau = M - sqrt((1 - S) / k); k is as large as it can be
    with the k-th score above tau.
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
