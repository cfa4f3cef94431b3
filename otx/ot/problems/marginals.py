"""The masses of entropic transport problems: checked, with their logarithms, and what the dual knows of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import to_solver_dtype

Taus = tuple[float, float]
"""How dear it is to miss the first and the second marginal, in the cost's units; infinite: not allowed."""
BALANCED: Taus = (math.inf, math.inf)


@dataclass(frozen=True, eq=False)
class Marginals:
    """Masses ``a [B, N]`` and ``b [B, M]`` of problems in units of epsilon, and how strictly they hold.

    ``eps_over_tau_rows [B, 1]`` and ``eps_over_tau_columns [B, 1]`` are eps / tau_a and eps / tau_b (0: that marginal
    is a constraint); the dual potentials are ``u [B, N]`` = f / eps and ``v [B, M]`` = g / eps. Entries
    without mass have a log mass of -inf.
    """

    a: Tensor
    b: Tensor
    log_a: Tensor
    log_b: Tensor
    eps_over_tau_rows: Tensor
    eps_over_tau_columns: Tensor

    def row_target(self, u: Tensor) -> Tensor:
        """The plan's row sums ``[B, N]`` at the optimum: a itself where they are constrained."""
        return self.a * torch.exp(-self.eps_over_tau_rows * u)

    def column_target(self, v: Tensor) -> Tensor:
        """The plan's column sums ``[B, M]`` at the optimum: b itself where they are constrained."""
        return self.b * torch.exp(-self.eps_over_tau_columns * v)

    def dual(self, u: Tensor, v: Tensor, mass: Tensor) -> Tensor:
        """The dual ``[B]``, over epsilon, at potentials whose plan has that ``mass [B]``."""
        linear = (self.a * soft_potential(self.eps_over_tau_rows, u)).sum(1)
        linear = linear + (self.b * soft_potential(self.eps_over_tau_columns, v)).sum(1)
        return linear - mass + self.a.sum(1) * self.b.sum(1)

    def slopes(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the optimal value, over epsilon, by ``a [B, N]`` and ``b [B, M]``."""
        of_a, of_b = self.a.sum(1, keepdim=True), self.b.sum(1, keepdim=True)
        to_a = (
            soft_potential(self.eps_over_tau_rows, u)
            - torch.exp(-self.eps_over_tau_rows * u)
            + of_b
        )
        to_b = (
            soft_potential(self.eps_over_tau_columns, v)
            - torch.exp(-self.eps_over_tau_columns * v)
            + of_a
        )
        return to_a.masked_fill(self.a == 0, 0), to_b.masked_fill(self.b == 0, 0)

    def centred(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Both potentials; if balanced, the constant that they share is such that <a, u> = <b, v>."""
        constrained = (self.eps_over_tau_rows == 0) & (self.eps_over_tau_columns == 0)
        half = ((self.b * v).sum(1) - (self.a * u).sum(1)) / self.a.sum(1) / 2
        shift = half[:, None].masked_fill(~constrained, 0)
        return u + shift, v - shift


def validate_marginals(a: Tensor, b: Tensor, epsilon: float, tau: Taus, index: Tensor) -> Marginals:
    """The masses of problems, checked.

    Raises ProblemError, naming the problem by its place in ``index [B]``, for an epsilon or tau out of
    range, a mass that is negative or not finite, a side without mass, and, if balanced, for two sides
    whose masses differ by more than rounding.
    """
    if not 0 < epsilon < math.inf:
        raise ProblemError(f"epsilon is {epsilon:g}", "it must be positive and finite")
    for strength in tau:
        if not strength > 0:
            raise ProblemError(f"tau is {strength:g}", "it must be positive")
    a, b = _checked(a, "first", index), _checked(b, "second", index)
    if tau == BALANCED:
        a, b = _balanced(a, b, index)
    eps_over_tau_rows, eps_over_tau_columns = (
        torch.full_like(a[:, :1], epsilon / strength) for strength in tau
    )
    return Marginals(a, b, a.log(), b.log(), eps_over_tau_rows, eps_over_tau_columns)


def _checked(masses: Tensor, side: str, index: Tensor) -> Tensor:
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


def _balanced(a: Tensor, b: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides brought to one total: between float32 sums there is always a rounding error."""
    of_a, of_b = a.sum(1, keepdim=True), b.sum(1, keepdim=True)
    total = (of_a + of_b) / 2
    raise_for(
        index,
        ((of_a - of_b).abs() > 1e-3 * total)[:, 0],
        "the two sides have different masses",
        "normalise both in float32, or relax the marginals (unbalanced)",
    )
    return a * (total / of_a), b * (total / of_b)


def raise_for(index: Tensor, bad: Tensor, cause: str, remedy: str) -> None:
    """Raise ProblemError for the first problem that ``bad [B]`` marks, by its place in ``index [B]``."""
    if bool(bad.any()):
        raise ProblemError(f"problem {int(index[bad].min())}: {cause}", remedy)


def soft_potential(loose: Tensor, potential: Tensor) -> Tensor:
    """``(1 - exp(-k p)) / k`` of ``loose [B, 1]`` = k, which is p in the constrained limit k = 0."""
    relaxed = -torch.expm1(-loose * potential) / loose
    return torch.where(loose > 0, relaxed, potential)
