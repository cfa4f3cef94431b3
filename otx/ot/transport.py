"""What a transport solver returns: the value, and all that is known about it, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Transport:
    """A batch of solved problems; everything but ``value`` is detached.

    ``value [B]`` is the regularised value in the cost's units. Its gradient is the envelope's: the
    plan by the cost, the potentials by the masses; never through the iterations, and of first order
    only. ``f [B, N]`` and ``g [B, M]`` are the dual potentials in the cost's units and ``plan
    [B, N, M]`` is in mass; they are exactly 0 where there is no mass. ``iterations [B]`` counts
    sweeps and Newton steps. ``marginal_error [B]`` is the L1 distance, in mass, between the plan's
    marginals and those of the optimum, ``converged [B]`` (bool) says whether it is within the
    tolerance, and ``mass [B]`` is the plan's total.
    """

    value: Tensor
    f: Tensor
    g: Tensor
    plan: Tensor
    iterations: Tensor
    marginal_error: Tensor
    converged: Tensor
    mass: Tensor


def envelope(value: Tensor, *slopes: tuple[Tensor, Tensor]) -> Tensor:
    """``value [B]`` made differentiable: each pair is a tensor ``[B, ...]`` and the slope by it.

    The gradient is the slope's multiple and nothing else: where a slope is 0 its tensor may hold
    anything, and gets a gradient of exactly 0.
    """
    tensors, by = zip(*slopes, strict=True)
    made: Tensor = _Envelope.apply(value, len(slopes), *by, *tensors)  # type: ignore[no-untyped-call]
    return made


class _Envelope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *slopes_and_tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*slopes_and_tensors[:count])
        return value.detach().clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        slopes, wanted = ctx.saved_tensors, ctx.needs_input_grad[2 + len(ctx.saved_tensors) :]
        pulls = (
            slope * gradients[0].to(slope).reshape(-1, *[1] * (slope.ndim - 1)) if need else None
            for slope, need in zip(slopes, wanted, strict=True)
        )
        return None, None, *(None for _ in slopes), *pulls
