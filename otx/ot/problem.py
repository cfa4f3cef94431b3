"""The entropic transport problem as the solvers see it: checked, masked, in units of epsilon."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import working


@dataclass(frozen=True, eq=False)
class EntropicProblem:
    """Problems ``min <P, C> + eps KL(P | a b^T) + tau KL(P 1 | a) + tau KL(P^T 1 | b)``, a batch.

    Everything is divided by epsilon: ``exponent [B, N, M]`` is C / eps, ``relaxation [B, 1]`` is
    eps / tau (0: the marginals are constraints), and the dual potentials are ``u [B, N]`` = f / eps
    and ``v [B, M]`` = g / eps. Entries without mass have an exponent of 0 and a log mass of -inf,
    so that they weigh exactly 0 in every sum.
    """

    exponent: Tensor
    a: Tensor
    b: Tensor
    log_a: Tensor
    log_b: Tensor
    relaxation: Tensor

    def rows(self, v: Tensor) -> Tensor:
        """The u ``[B, N]`` that maximises the dual given v: Sinkhorn's first half-iteration."""
        exponent = (self.log_b + v)[:, None, :] - self.exponent
        return -_logsumexp(exponent, 2) / (1 + self.relaxation)

    def columns(self, u: Tensor) -> Tensor:
        """The v ``[B, M]`` that maximises the dual given u: Sinkhorn's second half-iteration."""
        exponent = (self.log_a + u)[:, :, None] - self.exponent
        return -_logsumexp(exponent, 1) / (1 + self.relaxation)

    def plan(self, u: Tensor, v: Tensor) -> Tensor:
        """The plan ``[B, N, M]`` of a pair of potentials."""
        exponent = (self.log_b + v)[:, None, :] - self.exponent
        return exponent.add_((self.log_a + u)[:, :, None]).exp_()

    def row_target(self, u: Tensor) -> Tensor:
        """The plan's row sums ``[B, N]`` at the optimum: a itself when balanced."""
        return self.a * torch.exp(-self.relaxation * u)

    def column_target(self, v: Tensor) -> Tensor:
        """The plan's column sums ``[B, M]`` at the optimum: b itself when balanced."""
        return self.b * torch.exp(-self.relaxation * v)

    def dual(self, u: Tensor, v: Tensor, mass: Tensor) -> Tensor:
        """The dual ``[B]``, over epsilon, at potentials whose plan has that ``mass [B]``."""
        linear = (self.a * self._gain(u)).sum(1) + (self.b * self._gain(v)).sum(1)
        return linear - mass + self.a.sum(1) * self.b.sum(1)

    def slopes(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the optimal value, over epsilon, by ``a [B, N]`` and ``b [B, M]``."""
        to_a = self._gain(u) - torch.exp(-self.relaxation * u) + self.b.sum(1, keepdim=True)
        to_b = self._gain(v) - torch.exp(-self.relaxation * v) + self.a.sum(1, keepdim=True)
        return to_a.masked_fill(self.a == 0, 0), to_b.masked_fill(self.b == 0, 0)

    def cost_range(self) -> Tensor:
        """The range ``[B]`` of the cost between entries with mass, in epsilons."""
        massless = (self.a == 0)[:, :, None] | (self.b == 0)[:, None, :]
        highest = self.exponent.masked_fill(massless, -torch.inf).amax((1, 2))
        return highest - self.exponent.masked_fill(massless, torch.inf).amin((1, 2))

    def heated(self, temperature: Tensor) -> EntropicProblem:
        """The same problem with epsilon multiplied by ``temperature [B, 1]``."""
        exponent = self.exponent / temperature[:, :, None]
        relaxation = self.relaxation * temperature
        return EntropicProblem(exponent, self.a, self.b, self.log_a, self.log_b, relaxation)

    def select(self, chosen: Tensor) -> EntropicProblem:
        """The problems of the batch that ``chosen [B]`` (bool) marks."""
        return EntropicProblem(
            self.exponent[chosen],
            self.a[chosen],
            self.b[chosen],
            self.log_a[chosen],
            self.log_b[chosen],
            self.relaxation[chosen],
        )

    def _gain(self, potential: Tensor) -> Tensor:
        """``(1 - exp(-k p)) / k``, which is p in the balanced limit k = 0."""
        relaxed = -torch.expm1(-self.relaxation * potential) / self.relaxation
        return torch.where(self.relaxation > 0, relaxed, potential)


def pose(
    cost: Tensor, a: Tensor, b: Tensor, epsilon: float, tau: float | None = None
) -> EntropicProblem:
    """The problem of ``cost [B, N, M]``, ``a [B, N]`` and ``b [B, M]``; ``tau`` None is balanced.

    Raises ProblemError, naming the problem's index, for a mass that is negative or not finite, a
    side without mass, a non-finite cost between entries with mass, and, if balanced, for two sides
    whose masses differ by more than rounding.
    """
    for name, strength in (("epsilon", epsilon), ("tau", tau)):
        if strength is not None and not 0 < strength < float("inf"):
            raise ProblemError(f"{name} is {strength:g}", "it must be positive and finite")
    a, b = _checked(a, "first"), _checked(b, "second")
    if tau is None:
        a, b = _balanced(a, b)
    massless = (a == 0)[:, :, None] | (b == 0)[:, None, :]
    exponent = working(cost).masked_fill(massless, 0) / epsilon
    _refuse(
        ~exponent.isfinite().all(2).all(1),
        "a cost between two real words is not finite",
        "look for NaN or infinity in the vectors that the cost was computed from",
    )
    relaxation = torch.full_like(a[:, :1], 0.0 if tau is None else epsilon / tau)
    return EntropicProblem(exponent, a, b, a.log(), b.log(), relaxation)


def _checked(masses: Tensor, side: str) -> Tensor:
    masses = working(masses)
    _refuse(
        ~((masses >= 0) & masses.isfinite()).all(1),
        f"a mass of the {side} side is negative or not finite",
        "masses must be finite and at least 0",
    )
    _refuse(masses.sum(1) == 0, f"the {side} side has no mass", "leave empty sentences out")
    return masses


def _balanced(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides brought to one total: between float32 sums there is always a rounding error."""
    of_a, of_b = a.sum(1, keepdim=True), b.sum(1, keepdim=True)
    total = (of_a + of_b) / 2
    _refuse(
        ((of_a - of_b).abs() > 1e-3 * total)[:, 0],
        "the two sides have different masses",
        "normalise both in float32, or relax the marginals (unbalanced)",
    )
    return a * (total / of_a), b * (total / of_b)


def _refuse(bad: Tensor, cause: str, remedy: str) -> None:
    if bool(bad.any()):
        raise ProblemError(f"problem {int(bad.nonzero()[0, 0])}: {cause}", remedy)


def _logsumexp(exponent: Tensor, dim: int) -> Tensor:
    """``torch.logsumexp`` that overwrites its argument, which takes a quarter of the time."""
    peak = exponent.amax(dim, keepdim=True)
    return exponent.sub_(peak).exp_().sum(dim).log_().add_(peak.squeeze(dim))
