"""Entropic transport problems in the form that the solvers iterate on: checked, masked, in units of epsilon."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from otx.ot.precision import to_solver_dtype
from otx.ot.problems.marginals import Marginals, raise_for, validate_marginals
from otx.ot.problems.problem import Problem


@dataclass(frozen=True, eq=False)
class EntropicProblem(Marginals):
    """A batch of checked problems, divided by epsilon.

    Each minimises ``<P, C> + eps KL(P | a b^T) + tau_a KL(P 1 | a) + tau_b KL(P^T 1 | b)``. Entries without mass have
    an exponent of 0, so that with their log mass of -inf they weigh exactly 0 in every sum.

    Attributes:
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        log_a: Logarithm of ``a``; -inf where there is no mass.
        log_b: Logarithm of ``b``; -inf where there is no mass.
        eps_over_tau_rows: epsilon / tau_a ``[B, 1]``; 0 makes the source's marginal a constraint.
        eps_over_tau_columns: epsilon / tau_b ``[B, 1]``; 0 makes the target's marginal a constraint.
        exponent: Cost over epsilon ``[B, N, M]``.
        largest: Largest absolute exponent of every problem ``[B]``.
    """

    exponent: Tensor
    largest: Tensor

    def rows(self, v: Tensor) -> Tensor:
        """Maximise the dual over u: the first half of a Sinkhorn iteration.

        Args:
            v: Target potentials ``[B, M]``.

        Returns:
            The best source potentials ``[B, N]`` given ``v``.
        """
        exponent = (self.log_b + v)[:, None, :] - self.exponent
        return -_logsumexp(exponent, 2) / (1 + self.eps_over_tau_rows)

    def columns(self, u: Tensor) -> Tensor:
        """Maximise the dual over v: the second half of a Sinkhorn iteration.

        Args:
            u: Source potentials ``[B, N]``.

        Returns:
            The best target potentials ``[B, M]`` given ``u``.
        """
        exponent = (self.log_a + u)[:, :, None] - self.exponent
        return -_logsumexp(exponent, 1) / (1 + self.eps_over_tau_columns)

    def plan(self, u: Tensor, v: Tensor) -> Tensor:
        """Return the plan of a pair of potentials.

        Args:
            u: Source potentials ``[B, N]``.
            v: Target potentials ``[B, M]``.

        Returns:
            The plan ``[B, N, M]``, in mass.
        """
        exponent = (self.log_b + v)[:, None, :] - self.exponent
        return exponent.add_((self.log_a + u)[:, :, None]).exp_()

    def cost_range(self) -> Tensor:
        """Return the range ``[B]`` of the cost between entries with mass, in epsilons."""
        massless = (self.a == 0)[:, :, None] | (self.b == 0)[:, None, :]
        highest = self.exponent.masked_fill(massless, -torch.inf).amax((1, 2))
        return highest - self.exponent.masked_fill(massless, torch.inf).amin((1, 2))

    def heat(self, temperature: Tensor) -> EntropicProblem:
        """Multiply epsilon by a temperature.

        Args:
            temperature: Factors ``[B, 1]``.

        Returns:
            The problems in units of the new epsilon.
        """
        return replace(
            self,
            exponent=self.exponent / temperature[:, :, None],
            eps_over_tau_rows=self.eps_over_tau_rows * temperature,
            eps_over_tau_columns=self.eps_over_tau_columns * temperature,
            largest=self.largest / temperature[:, 0],
        )

    def select(self, chosen: Tensor) -> EntropicProblem:
        """Return some problems of the batch.

        Args:
            chosen: Mask or positions ``[B]`` of the problems.

        Returns:
            The chosen problems.
        """
        return EntropicProblem(*(getattr(self, field.name)[chosen] for field in fields(self)))


def validate(problem: Problem, index: Tensor | None = None) -> EntropicProblem:
    """Check a batch of problems and convert it to units of epsilon, in the solvers' precision.

    Args:
        problem: The statement of the problems.
        index: Numbers ``[B]`` by which errors name the problems, for parts of a batch. Default: their positions.

    Returns:
        The checked problems, detached.

    Raises:
        ProblemError: If epsilon or tau is out of range, a mass is negative or not finite, a side has no mass, the
            masses of a balanced problem differ by more than rounding, or a cost between entries with mass is not
            finite.

    Example:
        >>> half = torch.full((1, 2), 0.5)
        >>> validate(Problem(torch.tensor([[[1.0, 3.0], [2.0, 7.0]]]), half, half, epsilon=0.5)).cost_range()
        tensor([12.], dtype=torch.float64)
    """
    a, b = problem.a, problem.b
    index = torch.arange(len(a), device=a.device) if index is None else index
    masses = validate_marginals(a, b, epsilon=problem.epsilon, tau=problem.taus, index=index)
    exponent = to_solver_dtype(problem.cost) / problem.epsilon
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
    """Compute ``torch.logsumexp`` in a quarter of its time, by overwriting the argument."""
    peak = exponent.amax(dim, keepdim=True)
    return exponent.sub_(peak).exp_().sum(dim).log_().add_(peak.squeeze(dim))
