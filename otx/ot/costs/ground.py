"""Costs between two batches of vectors.

Each cost takes ``x [B, N, D]`` and ``y [B, M, D]`` and returns ``[B, N, M]`` in float32 or better,
with a finite gradient everywhere. Distances sum over the D dimensions; nothing is averaged. Vectors
at padding must be finite.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from otx.ot.precision import at_least_float32, no_autocast

CostFunction = Callable[[Tensor, Tensor], Tensor]


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """``1 - cos(x_i, y_j)``; a zero vector is at 1 from everything and gets no gradient."""
    with no_autocast(x):
        return 1 - _direction(at_least_float32(x)) @ _direction(at_least_float32(y)).mT


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """``||x_i - y_j||``; coincident points get no gradient."""
    with no_autocast(x):
        # |x|^2 - 2xy + |y|^2 in float32 would put equal words 3e-4 of their norm apart.
        return torch.cdist(
            at_least_float32(x), at_least_float32(y), compute_mode="donot_use_mm_for_euclid_dist"
        )


def squared_euclidean(x: Tensor, y: Tensor) -> Tensor:
    """``||x_i - y_j||^2``."""
    return euclidean(x, y).square()


def half_squared_euclidean(x: Tensor, y: Tensor) -> Tensor:
    """``||x_i - y_j||^2 / 2``, the cost of GeomLoss with p = 2."""
    return euclidean(x, y).square() / 2


def dot(x: Tensor, y: Tensor) -> Tensor:
    """``-<x_i, y_j>``: half the squared distance without the squared norms, which balanced plans do not see."""
    with no_autocast(x):
        return -at_least_float32(x) @ at_least_float32(y).mT


def _direction(vectors: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / norm.masked_fill(norm == 0, torch.inf)


COSTS: dict[str, CostFunction] = {
    "cosine": cosine,
    "euclidean": euclidean,
    "squared-euclidean": squared_euclidean,
    "half-squared-euclidean": half_squared_euclidean,
    "dot": dot,
}
