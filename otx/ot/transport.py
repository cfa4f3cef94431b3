"""The result of a transport solver, and the means by which its value becomes differentiable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor


class HasMasses(Protocol):
    """Anything with the masses of both sides: a problem in any of its forms."""

    @property
    def a(self) -> Tensor:
        """Source masses ``[B, N]``; 0 marks padding."""

    @property
    def b(self) -> Tensor:
        """Target masses ``[B, M]``; 0 marks padding."""


@dataclass(frozen=True, eq=False)
class Transport:
    """A batch of solved problems.

    Everything but ``value`` is detached. The gradient of ``value`` is the envelope's: the plan by the cost, the
    potentials by the masses. It never passes through the iterations, and it is of first order only.

    A batch is usually ``[B]``; ``pairwise_sinkhorn`` returns ``[S, T]`` instead.

    Attributes:
        value: Regularised value ``[B]`` in the cost's unit, differentiable.
        f: Dual potentials of the source ``[B, N]`` in the cost's unit; exactly 0 where there is no mass.
        g: Dual potentials of the target ``[B, M]`` in the cost's unit; exactly 0 where there is no mass.
        entries: Function that computes ``plan``, at its first call.
        iterations: Iterations and Newton steps taken ``[B]``.
        marginal_error: L1 distance ``[B]``, in mass, between the plan's marginals and those of the optimum.
        converged: True ``[B]`` where ``marginal_error`` is within the tolerance.
        mass: Total mass of the plan ``[B]``.
        left_over: Number of problems that did not converge on chip and were given to the solver of all others.

    Example:
        >>> from otx.ot import sinkhorn
        >>> half = torch.full((1, 2), 0.5)
        >>> result = sinkhorn(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), half, half, epsilon=0.01)
        >>> result.plan.round(decimals=3)
        tensor([[[0.5000, 0.0000],
                 [0.0000, 0.5000]]])
        >>> bool(result.converged), round(result.mass.item(), 4)
        (True, 1.0)
    """

    value: Tensor
    f: Tensor
    g: Tensor
    entries: Callable[[], Tensor]
    iterations: Tensor
    marginal_error: Tensor
    converged: Tensor
    mass: Tensor
    left_over: int = 0

    @property
    def plan(self) -> Tensor:
        """The plan ``[B, N, M]``, in mass; exactly 0 where there is no mass."""
        return self.entries()

    @classmethod
    def from_potentials(
        cls,
        problem: HasMasses,
        f: Tensor,
        g: Tensor,
        *,
        value: Tensor,
        plan: Tensor | Callable[[], Tensor],
        iterations: Tensor,
        error: Tensor,
        converged: Tensor,
        mass: Tensor | None = None,
    ) -> Transport:
        """Build the result of a solver from its potentials.

        Every tensor but ``iterations`` and ``converged`` is cast to the dtype of ``value``. The problems' dimension
        ``P`` is reshaped to the shape of ``value``, which is ``[P]`` or has ``P`` entries.

        Args:
            problem: The masses of the problems ``[P, N]`` and ``[P, M]``; potentials are set to 0 where they are 0.
            f: Source potentials ``[P, N]``, in the cost's unit.
            g: Target potentials ``[P, M]``, in the cost's unit.
            value: The value of every problem, differentiable, in the dtype of the result.
            plan: The plan ``[P, N, M]``, or a function that returns it in the shape and dtype of the result.
            iterations: Iterations taken ``[P]``.
            error: L1 distance ``[P]`` of the plan's marginals from those of the optimum.
            converged: True ``[P]`` where the problem was solved.
            mass: Total mass of the plan ``[P]``. Default: the sum of ``plan``, which must then be a tensor.

        Returns:
            The result.

        Raises:
            TypeError: If ``plan`` is a function and ``mass`` is not given.
        """

        def shaped(tensor: Tensor) -> Tensor:
            return tensor.reshape(*value.shape, *tensor.shape[1:])

        if isinstance(plan, Tensor):
            known = plan.to(value)
            mass = plan.sum((1, 2)) if mass is None else mass
        if mass is None:
            raise TypeError("a plan that is computed later needs its mass")
        return cls(
            value=value,
            f=shaped(f.masked_fill(problem.a == 0, 0)).to(value),
            g=shaped(g.masked_fill(problem.b == 0, 0)).to(value),
            entries=(lambda: known) if isinstance(plan, Tensor) else plan,
            iterations=shaped(iterations),
            marginal_error=shaped(error).to(value),
            converged=shaped(converged),
            mass=shaped(mass).to(value),
        )


def defer_plan(cost: Tensor, log_p: Tensor, log_q: Tensor, epsilon: float) -> Callable[[], Tensor]:
    """Return a function that computes ``exp(log_p + log_q - cost / epsilon)`` at its first call.

    Args:
        cost: Costs ``[B, N, M]``. Entries without mass may hold anything.
        log_p: Logarithm of the source scalings ``[B, N]``; -inf where there is no mass.
        log_q: Logarithm of the target scalings ``[B, M]``; -inf where there is no mass.
        epsilon: Regularisation strength, in the unit of ``cost``.

    Returns:
        A function without arguments that returns the plan ``[B, N, M]`` in the dtype of ``cost``. It computes the
        plan once, and raises RuntimeError if ``cost`` was modified in place before that.
    """
    fixed, require_unchanged = cost.detach(), watch(cost)

    @cache
    def plan() -> Tensor:
        require_unchanged()
        exponent = log_q[:, None, :] - fixed / epsilon
        exponent.add_(log_p[:, :, None])
        for massless in (log_p.isneginf()[:, :, None], log_q.isneginf()[:, None, :]):
            if bool(massless.any()):
                exponent.masked_fill_(massless, -torch.inf)
        return exponent.exp_().to(fixed)

    return plan


def watch(*tensors: Tensor) -> Callable[[], None]:
    """Return a function that raises an error if a tensor was modified in place since this call.

    Args:
        tensors: Costs or vectors that a later computation of a plan or a gradient reads.

    Returns:
        A function without arguments that raises RuntimeError.
    """
    versions = [tensor._version for tensor in tensors]

    def require_unchanged() -> None:
        if versions != [tensor._version for tensor in tensors]:
            raise RuntimeError(
                "the cost or the vectors were modified in place before the plan or the gradient was computed"
            )

    return require_unchanged


def attach_slopes(
    value: Tensor, tensors: tuple[Tensor, ...], slopes: Callable[[], tuple[Tensor, ...]]
) -> Tensor:
    """Make a value differentiable by tensors, given its slopes.

    The gradient is the slope times the value's gradient and nothing else. Where a slope is 0 its tensor may hold
    anything, NaN included, and gets a gradient of exactly 0.

    Args:
        value: Values ``[B]``.
        tensors: Tensors ``[B, ...]`` that the value depends on.
        slopes: Function that returns the derivative of the value by each tensor, called in the backward pass.

    Returns:
        The values ``[B]``, differentiable of first order.

    Example:
        >>> x = torch.tensor([3.0], requires_grad=True)
        >>> attach_slopes(torch.tensor([9.0]), (x,), lambda: (torch.tensor([6.0]),)).backward()
        >>> x.grad
        tensor([6.])
    """
    result: Tensor = _Slopes.apply((value,), slopes, *tensors)  # type: ignore[no-untyped-call]
    return result


def attach_gradient(
    value: Tensor, tensors: tuple[Tensor, ...], pull: Callable[[Tensor], tuple[Tensor, ...]]
) -> Tensor:
    """Make a value differentiable by tensors, given its backward pass.

    Args:
        value: Values of any shape.
        tensors: Tensors that the value depends on.
        pull: Function from the gradient of the value to the gradient of each tensor.

    Returns:
        The values, differentiable of first order.
    """
    result: Tensor = _Pull.apply(value, pull, *tensors)  # type: ignore[no-untyped-call]
    return result


class _Slopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: tuple[Tensor], slopes: Any, *tensors: Tensor) -> Tensor:
        ctx.slopes = slopes
        return value[0].detach()  # in a tuple it is no input, and needs no copy

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, needed = gradients[0], ctx.needs_input_grad[2:]
        pairs = zip(ctx.slopes(), needed, strict=True)
        pulled = (
            slope * gradient.to(slope).reshape(-1, *[1] * (slope.ndim - 1)) if need else None
            for slope, need in pairs
        )
        return None, None, *pulled


class _Pull(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, pull: Any, *tensors: Tensor) -> Tensor:
        ctx.pull = pull
        return value.detach().clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.pull(gradients[0])
