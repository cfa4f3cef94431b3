"""The masses of entropic transport problems: checked, with their logarithms and their part of the dual."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import to_solver_dtype
from otx.ot.problems.problem import BALANCED, Taus

ROUNDING = 1e-3
"""Largest relative difference of two sides' masses that counts as rounding."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """Quantities of the optimum of a batch of problems, in the cost's unit.

    Attributes:
        value: Dual value ``[B]``.
        f: Source potentials ``[B, N]``, also where there is no mass.
        g: Target potentials ``[B, M]``, also where there is no mass.
        log_p: Logarithm of the plan's source scalings ``[B, N]``; -inf where there is no mass.
        log_q: Logarithm of the plan's target scalings ``[B, M]``; -inf where there is no mass.
        slope_a: Derivative of the value by the source masses ``[B, N]``.
        slope_b: Derivative of the value by the target masses ``[B, M]``.
        mass: Total mass of the plan ``[B]``.
    """

    value: Tensor
    f: Tensor
    g: Tensor
    log_p: Tensor
    log_q: Tensor
    slope_a: Tensor
    slope_b: Tensor
    mass: Tensor


@dataclass(frozen=True, eq=False)
class Marginals:
    """Masses of a batch of problems in units of epsilon, and how strictly they hold.

    The dual potentials in these units are ``u [B, N] = f / epsilon`` and ``v [B, M] = g / epsilon``.

    Attributes:
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        log_a: Logarithm of ``a``; -inf where there is no mass.
        log_b: Logarithm of ``b``; -inf where there is no mass.
        eps_over_tau_rows: epsilon / tau_a ``[B, 1]``; 0 makes the source's marginal a constraint.
        eps_over_tau_columns: epsilon / tau_b ``[B, 1]``; 0 makes the target's marginal a constraint.
    """

    a: Tensor
    b: Tensor
    log_a: Tensor
    log_b: Tensor
    eps_over_tau_rows: Tensor
    eps_over_tau_columns: Tensor

    def row_target(self, u: Tensor) -> Tensor:
        """Return the plan's row sums at the optimum.

        Args:
            u: Source potentials ``[B, N]``.

        Returns:
            The row sums ``[B, N]``; ``a`` itself where it is a constraint.
        """
        return self.a * torch.exp(-self.eps_over_tau_rows * u)

    def column_target(self, v: Tensor) -> Tensor:
        """Return the plan's column sums at the optimum.

        Args:
            v: Target potentials ``[B, M]``.

        Returns:
            The column sums ``[B, M]``; ``b`` itself where it is a constraint.
        """
        return self.b * torch.exp(-self.eps_over_tau_columns * v)

    def dual(self, u: Tensor, v: Tensor, mass: Tensor) -> Tensor:
        """Return the dual value over epsilon.

        Args:
            u: Source potentials ``[B, N]``.
            v: Target potentials ``[B, M]``.
            mass: Total mass ``[B]`` of the plan of these potentials.

        Returns:
            The dual value ``[B]``.
        """
        linear = (self.a * soft_potential(self.eps_over_tau_rows, u)).sum(1)
        linear = linear + (self.b * soft_potential(self.eps_over_tau_columns, v)).sum(1)
        return linear - mass + self.a.sum(1) * self.b.sum(1)

    def slopes(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivatives of the optimal value, over epsilon, by the masses.

        Args:
            u: Source potentials ``[B, N]`` at the optimum.
            v: Target potentials ``[B, M]`` at the optimum.

        Returns:
            The derivatives by ``a [B, N]`` and by ``b [B, M]``; 0 where there is no mass.
        """
        sum_a, sum_b = self.a.sum(1, keepdim=True), self.b.sum(1, keepdim=True)
        rows, columns = self.eps_over_tau_rows, self.eps_over_tau_columns
        slope_a = soft_potential(rows, u) - torch.exp(-rows * u) + sum_b
        slope_b = soft_potential(columns, v) - torch.exp(-columns * v) + sum_a
        return slope_a.masked_fill(self.a == 0, 0), slope_b.masked_fill(self.b == 0, 0)

    def centre(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Fix the constant that the potentials of a balanced problem share.

        Args:
            u: Source potentials ``[B, N]``.
            v: Target potentials ``[B, M]``.

        Returns:
            Both potentials, shifted so that ``<a, u> = <b, v>``; unchanged where a marginal is relaxed.
        """
        constrained = (self.eps_over_tau_rows == 0) & (self.eps_over_tau_columns == 0)
        half = ((self.b * v).sum(1) - (self.a * u).sum(1)) / self.a.sum(1) / 2
        shift = half[:, None].masked_fill(~constrained, 0)
        return u + shift, v - shift

    def optimum(self, u: Tensor, v: Tensor, epsilon: float) -> Optimum:
        """Return what follows from the potentials of the optimum, in the cost's unit.

        Args:
            u: Source potentials ``[B, N]``, in units of epsilon, best given ``v``.
            v: Target potentials ``[B, M]``, in units of epsilon.
            epsilon: Regularisation strength, in the cost's unit.

        Returns:
            Value, centred potentials, scalings, slopes and mass.
        """
        u, v = self.centre(u, v)
        mass = self.row_target(u).sum(1)
        slope_a, slope_b = self.slopes(u, v)
        return Optimum(
            value=epsilon * self.dual(u, v, mass),
            f=epsilon * u,
            g=epsilon * v,
            log_p=self.log_a + u,
            log_q=self.log_b + v,
            slope_a=epsilon * slope_a,
            slope_b=epsilon * slope_b,
            mass=mass,
        )


def validate_marginals(
    a: Tensor, b: Tensor, *, epsilon: float, tau: Taus = BALANCED, index: Tensor | None = None
) -> Marginals:
    """Check the masses of a batch of problems and convert them to the solvers' precision.

    The masses of balanced problems are scaled to one total: two float32 sums always differ by rounding.

    Args:
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        epsilon: Regularisation strength, in the cost's unit.
        tau: Prices of missing the marginals (source, target), in the cost's unit.
        index: Numbers ``[B]`` by which errors name the problems. Default: their positions.

    Returns:
        The masses, detached, in the solvers' precision.

    Raises:
        ProblemError: If epsilon or tau is out of range, a mass is negative or not finite, a side has no mass, or the
            masses of a balanced problem differ by more than rounding.
    """
    require_regularisation(epsilon, tau)
    index = torch.arange(len(a), device=a.device) if index is None else index
    a, b = _check(a, "first", index), _check(b, "second", index)
    if tau == BALANCED:
        a, b = _balance(a, b, index)
    rows, columns = (torch.full_like(a[:, :1], epsilon / price) for price in tau)
    return Marginals(a, b, a.log(), b.log(), rows, columns)


def require_regularisation(epsilon: float, tau: Taus) -> None:
    """Check the numbers that a whole batch shares.

    Args:
        epsilon: Regularisation strength, in the cost's unit.
        tau: Prices of missing the marginals (source, target), in the cost's unit.

    Raises:
        ProblemError: If epsilon is not positive and finite, or a tau is not positive.
    """
    if not 0 < epsilon < math.inf:
        raise ProblemError(f"epsilon is {epsilon:g}", "it must be positive and finite")
    for price in tau:
        if not price > 0:
            raise ProblemError(f"tau is {price:g}", "it must be positive")


def raise_for(index: Tensor, bad: Tensor, cause: str, remedy: str) -> None:
    """Raise an error for the first bad problem, if there is one.

    Args:
        index: Numbers ``[B]`` by which the error names the problems.
        bad: True ``[B]`` for problems that cannot be solved.
        cause: What is wrong with them.
        remedy: What the caller can do.

    Raises:
        ProblemError: If a problem is bad; it names the smallest number.
    """
    if bool(bad.any()):
        raise ProblemError(f"problem {int(index[bad].min())}: {cause}", remedy)


def soft_potential(eps_over_tau: Tensor, potential: Tensor) -> Tensor:
    """Return ``(1 - exp(-k p)) / k``, a potential's contribution to the dual.

    Args:
        eps_over_tau: The k ``[B, 1]``, epsilon over tau.
        potential: The p ``[B, N]``, in units of epsilon.

    Returns:
        The contributions ``[B, N]``; p itself in the constrained limit k = 0.

    Example:
        >>> soft_potential(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [2.0]])).flatten()
        tensor([2.0000, 0.8647])
    """
    relaxed = -torch.expm1(-eps_over_tau * potential) / eps_over_tau
    return torch.where(eps_over_tau > 0, relaxed, potential)


def _check(masses: Tensor, side: str, index: Tensor) -> Tensor:
    masses = to_solver_dtype(masses)
    raise_for(
        index,
        ~((masses >= 0) & masses.isfinite()).all(1),
        f"a mass of the {side} side is negative or not finite",
        "masses must be finite and at least 0",
    )
    raise_for(
        index, masses.sum(1) == 0, f"the {side} side has no mass", "leave empty sentences out"
    )
    return masses


def _balance(a: Tensor, b: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Scale both sides to one total."""
    sum_a, sum_b = a.sum(1, keepdim=True), b.sum(1, keepdim=True)
    total = (sum_a + sum_b) / 2
    raise_for(
        index,
        ((sum_a - sum_b).abs() > ROUNDING * total)[:, 0],
        "the two sides have different masses",
        "normalise both in float32, or relax the marginals (unbalanced)",
    )
    return a * (total / sum_a), b * (total / sum_b)
