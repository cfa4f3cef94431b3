"""What a transport solver returns: the value, and all that is known about it, as data."""

from __future__ import annotations

from dataclasses import dataclass

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

    Where a slope is 0 its tensor may hold anything, and gets a gradient of exactly 0.
    """
    for tensor, slope in slopes:
        known = tensor.masked_fill(slope == 0, 0)
        linear = (slope * known).flatten(1).sum(1)
        value = value + (linear - linear.detach())
    return value
