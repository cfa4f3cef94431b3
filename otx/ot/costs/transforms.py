"""Transforms of cost matrices before transport: a common range, and a null word to send mass to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otx.ot.precision import at_least_float32


def min_max_scale(cost: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Shift and divide each problem's cost so that its real entries range from 0 to 1.

    OTAlign and OTTAWA scale their costs like this. Shift and divisor are constants: no gradient flows through them.

    Args:
        cost: Cost matrices ``[B, N, M]``. Padding may hold anything.
        first: Real source words ``[B, N]``; False marks padding.
        second: Real target words ``[B, M]``; False marks padding.

    Returns:
        Scaled costs ``[B, N, M]``, 0 at padding. A cost without range, for example of one word to one word, becomes 0.

    Example:
        >>> real = torch.ones(1, 2, dtype=torch.bool)
        >>> min_max_scale(torch.tensor([[[2.0, 4.0], [3.0, 6.0]]]), real, real)
        tensor([[[0.0000, 0.5000],
                 [0.2500, 1.0000]]])

    References:
        Arase et al. (2023), "Unbalanced Optimal Transport for Unbalanced Word Alignment" (OTAlign).
        https://aclanthology.org/2023.acl-long.219
    """
    cost = at_least_float32(cost)
    real = first[:, :, None] & second[:, None, :]
    fixed = cost.detach()
    lowest = fixed.masked_fill(~real, torch.inf).amin((1, 2), keepdim=True)
    width = fixed.masked_fill(~real, -torch.inf).amax((1, 2), keepdim=True) - lowest
    return torch.where(real, (cost - lowest) / width.masked_fill(width <= 0, 1), 0)


@dataclass(frozen=True, eq=False)
class NullWordProblem:
    """Costs and target masses with a null word as the last column.

    Attributes:
        cost: Cost matrices ``[B, N, M + 1]``.
        b: Masses of the columns ``[B, M + 1]``.
    """

    cost: Tensor
    b: Tensor


def add_null_word(
    cost: Tensor, first: Tensor, b: Tensor, *, price: Tensor, mass: float = 1.0
) -> NullWordProblem:
    """Add a null word to the target side: a word may go to it, for a price, instead of to a partner.

    A word's price is raised to the median of its problem's real costs (of the lower two, if two are in the middle), so
    that the null word is not the cheapest partner of all. Solve the result with ``partial_transport`` and the source's
    whole mass: every source word then finds a partner or the null word, and target words may be left out.

    Args:
        cost: Cost matrices ``[B, N, M]``. Padding may hold anything.
        first: Real source words ``[B, N]``; False marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        price: Cost of sending each source word to the null word ``[B, N]``, before it is raised.
        mass: Mass of the null word.

    Returns:
        The costs and masses with one more column.

    Example:
        >>> real, b = torch.ones(1, 1, dtype=torch.bool), torch.full((1, 3), 1 / 3)
        >>> add_null_word(torch.tensor([[[0.1, 0.5, 0.9]]]), real, b, price=torch.tensor([[0.3]])).cost
        tensor([[[0.1000, 0.5000, 0.9000, 0.5000]]])

    References:
        Huang et al. (2024), "OTTAWA: Optimal TransporT Adaptive Word Aligner for Hallucination and Omission
        Translation Errors Detection". https://aclanthology.org/2024.findings-acl.377
    """
    cost = at_least_float32(cost)
    real = first[:, :, None] & (b > 0)[:, None, :]
    median = cost.detach().masked_fill(~real, torch.nan).flatten(1).nanmedian(1).values
    column = torch.maximum(at_least_float32(price), median[:, None])
    null = torch.full_like(b[:, :1], mass)
    return NullWordProblem(torch.cat((cost, column[:, :, None]), 2), torch.cat((b, null), 1))


def equidistant_direction(vectors: Tensor, mask: Tensor) -> Tensor:
    """Return the direction of equal, greatest possible cosine to every real vector.

    This is OTTAWA's null word, from which all target words are equally far. Where there are more words than
    dimensions, it is the nearest to that in the least squares.

    Args:
        vectors: Word vectors ``[B, M, D]``.
        mask: Real words ``[B, M]``; False marks padding.

    Returns:
        Directions ``[B, D]``, detached, not normalised.

    Example:
        >>> equidistant_direction(torch.tensor([[[2.0, 0.0], [0.0, 1.0]]]), torch.ones(1, 2, dtype=torch.bool))
        tensor([[1., 1.]])

    References:
        Huang et al. (2024), "OTTAWA". https://aclanthology.org/2024.findings-acl.377
    """
    fixed = at_least_float32(vectors.detach())
    fixed = torch.nn.functional.normalize(fixed, dim=-1) * mask[:, :, None]
    ones = mask.to(fixed).unsqueeze(-1)
    direction: Tensor = (torch.linalg.pinv(fixed) @ ones).squeeze(-1)
    return direction
