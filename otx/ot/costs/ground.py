"""Costs between two batches of vectors.

Each cost takes ``x [B, N, D]`` and ``y [B, M, D]`` and returns ``[B, N, M]`` in float32 or better, with autocast off
and a finite gradient everywhere. Distances sum over the D dimensions; nothing is averaged. Vectors at padding must be
finite.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from otx.ot.precision import at_least_float32, no_autocast

CostFunction = Callable[[Tensor, Tensor], Tensor]
"""A function from ``x [B, N, D]`` and ``y [B, M, D]`` to costs ``[B, N, M]``."""


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Return ``1 - cos(x_i, y_j)``, from 0 to 2.

    Args:
        x: Source vectors ``[B, N, D]``. A zero vector is at 1 from everything and gets no gradient.
        y: Target vectors ``[B, M, D]``.

    Returns:
        Costs ``[B, N, M]``.

    Example:
        >>> cosine(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0]]]))
        tensor([[[0., 1., 2.]]])
    """
    with no_autocast(x):
        return 1 - _directions(at_least_float32(x)) @ _directions(at_least_float32(y)).mT


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


def _directions(vectors: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / norm.masked_fill(norm == 0, torch.inf)


COSTS: dict[str, CostFunction] = {
    "cosine": cosine,
    "euclidean": euclidean,
    "squared-euclidean": squared_euclidean,
    "half-squared-euclidean": half_squared_euclidean,
    "dot": dot,
}
"""The costs by the names that settings use."""
