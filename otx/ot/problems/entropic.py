"""The entropic transport problem as the solvers see it: checked, masked, in units of epsilon."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from otx.ot.precision import to_solver_dtype
from otx.ot.problems.marginals import BALANCED, Marginals, Taus, raise_for, validate_marginals


@dataclass(frozen=True, eq=False)
class EntropicProblem(Marginals):
    """Problems ``min <P, C> + eps KL(P | a b^T) + tau_a KL(P 1 | a) + tau_b KL(P^T 1 | b)``, a batch.

    Everything is divided by epsilon, as in Marginals: ``exponent [B, N, M]`` is C / eps. Entries
    without mass have an exponent of 0, so that with their log mass of -inf they weigh exactly 0 in
    every sum. ``largest [B]`` is the largest absolute exponent of a problem.
    """

    exponent: Tensor
    largest: Tensor

    def rows(self, v: Tensor) -> Tensor:
        """The u ``[B, N]`` that maximises the dual given v: Sinkhorn's first half-iteration."""
        exponent = (self.log_b + v)[:, None, :] - self.exponent
        return -_logsumexp(exponent, 2) / (1 + self.eps_over_tau_rows)

    def columns(self, u: Tensor) -> Tensor:
        """The v ``[B, M]`` that maximises the dual given u: Sinkhorn's second half-iteration."""
        exponent = (self.log_a + u)[:, :, None] - self.exponent
        return -_logsumexp(exponent, 1) / (1 + self.eps_over_tau_columns)

    def plan(self, u: Tensor, v: Tensor) -> Tensor:
        """The plan ``[B, N, M]`` of a pair of potentials."""
        exponent = (self.log_b + v)[:, None, :] - self.exponent
        return exponent.add_((self.log_a + u)[:, :, None]).exp_()

    def cost_range(self) -> Tensor:
        """The range ``[B]`` of the cost between entries with mass, in epsilons."""
        massless = (self.a == 0)[:, :, None] | (self.b == 0)[:, None, :]
        highest = self.exponent.masked_fill(massless, -torch.inf).amax((1, 2))
        return highest - self.exponent.masked_fill(massless, torch.inf).amin((1, 2))

    def heated(self, temperature: Tensor) -> EntropicProblem:
        """The same problem with epsilon multiplied by ``temperature [B, 1]``."""
        return replace(
            self,
            exponent=self.exponent / temperature[:, :, None],
            eps_over_tau_rows=self.eps_over_tau_rows * temperature,
            eps_over_tau_columns=self.eps_over_tau_columns * temperature,
            largest=self.largest / temperature[:, 0],
        )

    def select(self, chosen: Tensor) -> EntropicProblem:
        """The problems of the batch that ``chosen [B]`` (bool) marks."""
        return EntropicProblem(*(getattr(self, field.name)[chosen] for field in fields(self)))


def validate(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: float,
    tau: Taus = BALANCED,
    index: Tensor | None = None,
) -> EntropicProblem:
    """The problem of ``cost [B, N, M]``, ``a [B, N]`` and ``b [B, M]``; ``tau`` is (tau_a, tau_b).

    Raises ProblemError, naming the problem by its place (of a part of a batch, ``index [B]`` are the
    places), as ``validate_marginals`` says and for a non-finite cost between entries with mass.
    """
    index = torch.arange(len(a), device=a.device) if index is None else index
    masses = validate_marginals(a, b, epsilon, tau, index)
    exponent = to_solver_dtype(cost) / epsilon
    for massless in ((masses.a == 0)[:, :, None], (masses.b == 0)[:, None, :]):
        if bool(massless.any()):
            exponent.masked_fill_(massless, 0)
    # Twice as fast as abs().amax(), and seven times as torch.aminmax.
    largest = torch.maximum(-exponent.amin((1, 2)), exponent.amax((1, 2)))
    raise_for(
        index,
        ~largest.isfinite(),
        "a cost between two real words is not finite",
        "look for NaN or infinity in the vectors that the cost was computed from",
    )
    return EntropicProblem(**vars(masses), exponent=exponent, largest=largest)


def _logsumexp(exponent: Tensor, dim: int) -> Tensor:
    """``torch.logsumexp`` that overwrites its argument, which takes a quarter of the time."""
    peak = exponent.amax(dim, keepdim=True)
    return exponent.sub_(peak).exp_().sum(dim).log_().add_(peak.squeeze(dim))
