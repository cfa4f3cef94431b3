"""Costs between two batches of vectors.

Each cost takes ``x [B, N, D]`` and ``y [B, M, D]`` and returns ``[B, N, M]`` in float32 or better, with autocast off
and a finite gradient everywhere. Distances sum over the D dimensions; nothing is averaged. Vectors at padding must be
finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from otx.ot.precision import at_least_float32, no_autocast

CostFunction = Callable[[Tensor, Tensor], Tensor]
"""A function from ``x [B, N, D]`` and ``y [B, M, D]`` to costs ``[B, N, M]``."""


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Return ``1 - cos(x_i, y_j)``, from 0 to 2.

    Args:
        x: Source vectors ``[B, N, D]``. A zero vector is at 1 from everything and gets no gradient.
        y: Target vectors ``[B, M, D]``.

    Returns:
        Costs ``[B, N, M]``, differentiable once; batches of different shapes are broadcast.

    Example:
        >>> cosine(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0]]]))
        tensor([[[0., 1., 2.]]])
    """
    x, y = at_least_float32(x), at_least_float32(y)
    if not (x.ndim == y.ndim == 3 and len(x) == len(y)):
        with no_autocast(x):
            return 1 - functional.normalize(x, dim=-1) @ functional.normalize(y, dim=-1).mT
    cost: Tensor = _Cosine.apply(x, y)  # type: ignore[no-untyped-call]
    return cost


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance ``||x_i - y_j||``.

    Args:
        x: Source vectors ``[B, N, D]``.
        y: Target vectors ``[B, M, D]``. Coincident points get no gradient.

    Returns:
        Costs ``[B, N, M]``.

    Example:
        >>> euclidean(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[3.0, 4.0]]]))
        tensor([[[5.]]])
    """
    with no_autocast(x):
        # |x|^2 - 2xy + |y|^2 in float32 would put equal words 3e-4 of their norm apart.
        return torch.cdist(
            at_least_float32(x),
            at_least_float32(y),
            compute_mode="donot_use_mm_for_euclid_dist",
        )


def squared_euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared distance ``||x_i - y_j||^2``.

    Args:
        x: Source vectors ``[B, N, D]``.
        y: Target vectors ``[B, M, D]``.

    Returns:
        Costs ``[B, N, M]``.

    Example:
        >>> squared_euclidean(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[3.0, 4.0]]]))
        tensor([[[25.]]])
    """
    return euclidean(x, y).square()


def half_squared_euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Return half the squared distance, ``||x_i - y_j||^2 / 2``: GeomLoss's cost with p = 2.

    Args:
        x: Source vectors ``[B, N, D]``.
        y: Target vectors ``[B, M, D]``.

    Returns:
        Costs ``[B, N, M]``.

    Example:
        >>> half_squared_euclidean(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[3.0, 4.0]]]))
        tensor([[[12.5000]]])
    """
    return euclidean(x, y).square() / 2


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Return the negative inner product ``-<x_i, y_j>``.

    It is half the squared distance without the squared norms, on which balanced plans do not depend.

    Args:
        x: Source vectors ``[B, N, D]``.
        y: Target vectors ``[B, M, D]``.

    Returns:
        Costs ``[B, N, M]``.

    Example:
        >>> dot(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, 4.0]]]))
        tensor([[[-11.]]])
    """
    with no_autocast(x):
        return -at_least_float32(x) @ at_least_float32(y).mT


class _Cosine(torch.autograd.Function):
    """The cosine cost without normalised vectors, whose gradients would pass over all vectors ten times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        with no_autocast(x):
            inverse_x, inverse_y = _inverse_norm(x), _inverse_norm(y)
            cost = x @ y.mT
            cost.mul_(inverse_x).mul_(inverse_y.mT).neg_().add_(1)
        ctx.save_for_backward(x, y, inverse_x, inverse_y, cost)
        return cost

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, y, inverse_x, inverse_y, cost = ctx.saved_tensors
        with no_autocast(x):
            across = gradients[0] * inverse_x
            across.mul_(inverse_y.mT)
            along = torch.addcmul(gradients[0], gradients[0], cost, value=-1)
            to_x = to_y = None
            if ctx.needs_input_grad[0]:
                to_x = x * (along.sum(2, keepdim=True) * inverse_x.square())
                to_x.baddbmm_(across, y, alpha=-1)
            if ctx.needs_input_grad[1]:
                to_y = y * (along.sum(1).unsqueeze(2) * inverse_y.square())
                to_y.baddbmm_(across.mT, x, alpha=-1)
        return to_x, to_y


def _inverse_norm(vectors: Tensor) -> Tensor:
    """Return the inverse norms ``[B, N, 1]``, 0 for a zero vector."""
    norm: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return norm.reciprocal_().nan_to_num_(nan=math.nan, posinf=0)


COSTS: dict[str, CostFunction] = {
    "cosine": cosine,
    "euclidean": euclidean,
    "squared-euclidean": squared_euclidean,
    "half-squared-euclidean": half_squared_euclidean,
    "dot": dot,
}
"""The costs by the names that settings use."""
