"""Newton's method on the semi-dual, for problems on which Sinkhorn's iterations would crawl.

Given v, the best u is one row update away, so the dual is a concave function of v alone. With j and k epsilon over
the tau of rows and columns and t the column target, its gradient is ``t - P^T 1`` and its Hessian ``-H``, where
``H = diag(P^T 1 + k t) - P^T diag(1 / ((1 + j) P 1)) P``. A step solves ``(H + m diag(t)) d = gradient``: m = 0 is
Newton's step; a large m is a short step of Sinkhorn's kind. m falls with the error, and a step that does not raise the
dual is replaced by a Sinkhorn update, which always does.

References:
    Brauer, Clason, Lorenz and Wirth (2017), "A Sinkhorn-Newton method for entropic optimal transport".
    https://arxiv.org/abs/1710.06635
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otx.ot.problems.entropic import EntropicProblem
from otx.ot.problems.marginals import Marginals
from otx.ot.stopping import Stopping


@dataclass(frozen=True, eq=False)
class Ascent:
    """The state of a batch of problems whose dual is being maximised.

    Attributes:
        u: Source potentials ``[B, N]``, best given ``v`` once the error is known.
        v: Target potentials ``[B, M]``.
        steps: Number of steps taken ``[B]``.
        error: L1 distance ``[B]``, in mass, of the plan's column sums from those of the optimum, its row sums being
            exact; infinite where it is not known.
    """

    u: Tensor
    v: Tensor
    steps: Tensor
    error: Tensor

    @classmethod
    def at(cls, problem: Marginals, v: Tensor, steps: int) -> Ascent:
        """Return the state at given potentials, with an unknown error.

        Args:
            problem: The problems.
            v: Target potentials ``[B, M]``, copied.
            steps: Number of steps taken so far.

        Returns:
            The state.
        """
        taken = torch.full_like(v[:, 0], steps, dtype=torch.long)
        error = torch.full_like(v[:, 0], torch.inf)
        return cls(torch.zeros_like(problem.a), v.clone(), taken, error)

    def put(self, chosen: Tensor, part: Ascent) -> None:
        """Overwrite the state of some problems in place.

        Args:
            chosen: Mask or positions ``[B]`` of the problems.
            part: Their new state.
        """
        self.u[chosen], self.v[chosen] = part.u, part.v
        self.steps[chosen], self.error[chosen] = part.steps, part.error


def ascend(problem: EntropicProblem, v: Tensor, stopping: Stopping) -> Ascent:
    """Take Newton steps until the problems have converged.

    A problem leaves the batch's work as soon as it has converged.

    Args:
        problem: The problems.
        v: Target potentials ``[B, M]`` to start from, in units of epsilon.
        stopping: Tolerance and largest number of steps.

    Returns:
        The state of every problem at its last step.

    Example:
        >>> from otx.ot.problems.entropic import validate
        >>> from otx.ot.problems.problem import Problem
        >>> half = torch.full((1, 2), 0.5)
        >>> problem = validate(Problem(torch.tensor([[[0.0, 1.0], [2.0, 0.0]]]), half, half, epsilon=0.1))
        >>> ascend(problem, torch.zeros_like(problem.b), Stopping(1e-9, 50)).error <= 1e-9
        tensor([True])
    """
    limit = stopping.max_iterations
    ascent = Ascent.at(problem, v, limit)
    index = torch.arange(len(v), device=v.device)
    climb = _Climb.start(problem, v)
    for step in range(limit + 1):
        plan = climb.problem.plan(climb.u, climb.v)
        gradient = climb.problem.column_target(climb.v) - plan.sum(1)
        error = gradient.abs().sum(1)
        ascent.u[index], ascent.v[index], ascent.error[index] = climb.u, climb.v, error
        going = ~(error <= stopping.tolerance)
        ascent.steps[index[~going]] = step
        if step == limit or not bool(going.any()):
            break
        if not bool(going.all()):
            index, climb = index[going], climb.select(going)
            plan, gradient = plan[going], gradient[going]
        climb = climb.step(plan, gradient)
    return ascent


@dataclass(frozen=True, eq=False)
class _Climb:
    """The problems that have not converged, each with its potentials, its dual value and its damping."""

    problem: EntropicProblem
    u: Tensor
    v: Tensor
    dual: Tensor
    damping: Tensor

    @classmethod
    def start(cls, problem: EntropicProblem, v: Tensor) -> _Climb:
        u, dual = _update_rows(problem, v)
        return cls(problem, u, v, dual, torch.ones_like(dual))

    def select(self, chosen: Tensor) -> _Climb:
        return _Climb(
            self.problem.select(chosen),
            self.u[chosen],
            self.v[chosen],
            self.dual[chosen],
            self.damping[chosen],
        )

    def step(self, plan: Tensor, gradient: Tensor) -> _Climb:
        direction, solved = self._direction(plan, gradient)
        v = self.v + direction
        u, dual = _update_rows(self.problem, v)
        # The dual is a difference of large numbers: a rise below its rounding cannot be seen.
        largest = 1 + self.u.abs().amax(1) + self.v.abs().amax(1)
        taken = solved & (dual >= self.dual - 64 * torch.finfo(v.dtype).eps * largest)
        if not bool(taken.all()):
            v = torch.where(taken[:, None], v, self.problem.columns(self.u))
            u, dual = _update_rows(self.problem, v)
        damping = torch.where(taken, self.damping / 4, self.damping * 4).clamp(1e-6, 1e6)
        return _Climb(self.problem, u, v, dual, damping)

    def _direction(self, plan: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        target = self.problem.column_target(self.v)
        rows = (1 + self.problem.eps_over_tau_rows) * self.problem.row_target(self.u)
        coupling = plan.mT @ (plan / rows.masked_fill(rows == 0, 1)[:, :, None])
        damping = (self.damping * gradient.abs().sum(1).clamp_max(1)).clamp_min(1e-10)
        diagonal = plan.sum(1) + (self.problem.eps_over_tau_columns + damping[:, None]) * target
        diagonal = diagonal.masked_fill(target == 0, 1)
        factor, failure = torch.linalg.cholesky_ex(torch.diag_embed(diagonal) - coupling)
        return torch.cholesky_solve(gradient[:, :, None], factor)[:, :, 0], failure == 0


def _update_rows(problem: EntropicProblem, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best u given v, and the dual there, the plan's mass being that of its row sums."""
    u = problem.rows(v)
    return u, problem.dual(u, v, problem.row_target(u).sum(1))
