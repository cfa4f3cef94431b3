"""What is done to a cost before it is transported: word order made to count, ranges made equal, a way out offered.

Each function takes a cost ``[B, N, M]`` between words of which some are padding, and gives one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otx.ot.precision import at_least_float32


def min_max_scale(cost: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Each problem's cost shifted and divided so that its real entries range from 0 to 1 (OTAlign, OTTAWA).

    ``first [B, N]`` and ``second [B, M]`` mark the real words. Shift and divisor are constants: no
    gradient flows through them. A cost without range, of one word to one word say, becomes 0.
    """
    cost = at_least_float32(cost)
    real = first[:, :, None] & second[:, None, :]
    known = cost.detach()
    lowest = known.masked_fill(~real, torch.inf).amin((1, 2), keepdim=True)
    width = known.masked_fill(~real, -torch.inf).amax((1, 2), keepdim=True) - lowest
    return torch.where(real, (cost - lowest) / width.masked_fill(width <= 0, 1), 0)


@dataclass(frozen=True, eq=False)
class NullWordCost:
    """A cost ``[B, N, M + 1]`` whose last column is the null word, and the masses ``[B, M + 1]`` of its columns."""

    cost: Tensor
    b: Tensor


def add_null_word(
    cost: Tensor, first: Tensor, b: Tensor, price: Tensor, mass: float = 1.0
) -> NullWordCost:
    """OTTAWA's null column (Huang et al., Findings of ACL 2024): a word may go to nothing, at ``price [B, N]``.

    A word's price is never below the median of its problem's real costs (of the lower two, if there
    are two in the middle), so that nothing is not the cheapest partner of all. ``first [B, N]`` marks the real words of
    the first side, ``b [B, M]`` are the masses of the second, 0 at padding, and ``mass`` is the null word's. Solve it
    with ``partial`` and the first side's whole mass: every word of the first side finds a partner or the null word, and
    words of the second may be left out.
    """
    cost = at_least_float32(cost)
    real = first[:, :, None] & (b > 0)[:, None, :]
    median = cost.detach().masked_fill(~real, torch.nan).flatten(1).nanmedian(1).values
    column = torch.maximum(at_least_float32(price), median[:, None])
    null = torch.full_like(b[:, :1], mass)
    return NullWordCost(torch.cat((cost, column[:, :, None]), 2), torch.cat((b, null), 1))


def equidistant_direction(vectors: Tensor, mask: Tensor) -> Tensor:
    """The direction ``[B, D]`` of equal, greatest possible cosine to every real row of ``vectors [B, M, D]``.

    OTTAWA's null word, from which all target words are equally far; where there are more words than
    dimensions, the nearest to it in the least squares. ``mask [B, M]`` marks the real words. Detached.
    """
    known = at_least_float32(vectors.detach())
    known = torch.nn.functional.normalize(known, dim=-1) * mask[:, :, None]
    wanted = mask.to(known).unsqueeze(-1)
    direction: Tensor = (torch.linalg.pinv(known) @ wanted).squeeze(-1)
    return direction
