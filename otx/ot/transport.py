"""What a transport solver returns: the value, and all that is known about it, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Transport:
    """A batch of solved problems; everything but ``value`` is detached.

    ``value [B]`` is the regularised value in the cost's units. Its gradient is the envelope's: the
    plan by the cost, the potentials by the masses; never through the iterations, and of first order
    only. ``f [B, N]`` and ``g [B, M]`` are the dual potentials in the cost's units and ``plan
    [B, N, M]``, computed when it is first asked for, is in mass; they are exactly 0 where there is
    no mass. ``iterations [B]`` counts sweeps and Newton steps. ``marginal_error [B]`` is the L1
    distance, in mass, between the plan's marginals and those of the optimum, ``converged [B]``
    (bool) says whether it is within the tolerance, and ``mass [B]`` is the plan's total.
    """

    value: Tensor
    f: Tensor
    g: Tensor
    entries: Callable[[], Tensor]
    iterations: Tensor
    marginal_error: Tensor
    converged: Tensor
    mass: Tensor

    @property
    def plan(self) -> Tensor:
        """``[B, N, M]``, in mass."""
        return self.entries()


def plan_later(cost: Tensor, log_p: Tensor, log_q: Tensor, epsilon: float) -> Callable[[], Tensor]:
    """A function that computes the plan ``exp(log_p + log_q - cost / epsilon)`` at its first call, once.

    ``cost [B, N, M]``, ``log_p [B, N]`` and ``log_q [B, M]``, -inf where there is no mass and the cost
    may hold anything. It raises RuntimeError if the cost was modified in place in the meantime.
    """
    fixed, version = cost.detach(), cost._version

    @cache
    def plan() -> Tensor:
        if fixed._version != version:
            raise RuntimeError("the cost was modified in place before its plan was computed")
        exponent = log_q[:, None, :] - fixed / epsilon
        exponent.add_(log_p[:, :, None])
        for massless in (log_p.isneginf()[:, :, None], log_q.isneginf()[:, None, :]):
            if bool(massless.any()):
                exponent.masked_fill_(massless, -torch.inf)
        return exponent.exp_().to(fixed)

    return plan


def envelope(
    value: Tensor, tensors: tuple[Tensor, ...], slopes: Callable[[], tuple[Tensor, ...]]
) -> Tensor:
    """``value [B]`` made differentiable by ``tensors``, each ``[B, ...]``, ``slopes()`` being its slopes.

    The gradient is the slope's multiple and nothing else: where a slope is 0 its tensor may hold
    anything, and gets a gradient of exactly 0.
    """

    def pull(gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            slope * gradient.to(slope).reshape(-1, *[1] * (slope.ndim - 1)) for slope in slopes()
        )

    return pulled(value, tensors, pull)


def pulled(
    value: Tensor, tensors: tuple[Tensor, ...], pull: Callable[[Tensor], tuple[Tensor, ...]]
) -> Tensor:
    """``value`` made differentiable, of first order: ``pull`` takes its gradient to those of ``tensors``."""
    made: Tensor = _Pulled.apply(value, pull, *tensors)  # type: ignore[no-untyped-call]
    return made


class _Pulled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, pull: Any, *tensors: Tensor) -> Tensor:
        ctx.pull = pull
        return value.detach().clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.pull(gradients[0])
