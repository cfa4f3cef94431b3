"""Newton's steps on the semi-dual, for problems on which Sinkhorn's sweeps would crawl.

Given v, the best u is one row update away, so the dual is a concave function of v alone. With j and
k how loose rows and columns are (epsilon over tau) and t the column target, its gradient is
``t - P^T 1`` and its Hessian ``-H``, ``H = diag(P^T 1 + k t) - P^T diag(1 / ((1 + j) P 1)) P``. A
step solves ``(H + m diag(t)) d = gradient``: m = 0 is Newton's step; a large m is a short step of
Sinkhorn's kind. m falls with the error, and a step that does not raise the dual is replaced by a
Sinkhorn update, which always does.
(Brauer, Clason, Lorenz, Wirth, "A Sinkhorn-Newton method for entropic optimal transport", 2017.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otx.ot.problems.entropic import EntropicProblem
from otx.ot.problems.marginals import Marginals


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where an ascent of the dual ended, for each problem.

    Potentials ``v [B, M]`` and, once the error is known, the ``u [B, N]`` that is best given them;
    the ``steps [B]`` taken, and the ``error [B]``: the L1 distance, in mass, of the plan's column
    sums from those of the optimum, its row sums being exact.
    """

    u: Tensor
    v: Tensor
    steps: Tensor
    error: Tensor

    @classmethod
    def at(cls, problem: Marginals, v: Tensor, steps: int) -> Ascent:
        """At ``v [B, M]`` after so many steps, how far from the end is not known."""
        taken = torch.full_like(v[:, 0], steps, dtype=torch.long)
        return cls(
            torch.zeros_like(problem.a), v.clone(), taken, torch.full_like(v[:, 0], torch.inf)
        )

    def put(self, chosen: Tensor, part: Ascent) -> None:
        """Where the problems that ``chosen [B]`` (bool) marks have come since."""
        self.u[chosen], self.v[chosen] = part.u, part.v
        self.steps[chosen], self.error[chosen] = part.steps, part.error


def ascend(problem: EntropicProblem, v: Tensor, tolerance: float, limit: int) -> Ascent:
    """Climb from ``v [B, M]`` until the error is at most ``tolerance``, ``limit`` steps at most.

    A problem leaves the batch's work as soon as it has converged.
    """
    found = Ascent.at(problem, v, limit)
    index = torch.arange(len(v), device=v.device)
    climb = _Climb.start(problem, v)
    for step in range(limit + 1):
        plan = climb.problem.plan(climb.u, climb.v)
        gradient = climb.problem.column_target(climb.v) - plan.sum(1)
        error = gradient.abs().sum(1)
        found.u[index], found.v[index], found.error[index] = climb.u, climb.v, error
        going = ~(error <= tolerance)
        found.steps[index[~going]] = step
        if step == limit or not bool(going.any()):
            break
        if not bool(going.all()):
            index, climb = index[going], climb.select(going)
            plan, gradient = plan[going], gradient[going]
        climb = climb.step(plan, gradient)
    return found


@dataclass(frozen=True, eq=False)
class _Climb:
    """The problems still at work, each with its potentials, its dual value and its damping."""

    problem: EntropicProblem
    u: Tensor
    v: Tensor
    dual: Tensor
    damping: Tensor

    @classmethod
    def start(cls, problem: EntropicProblem, v: Tensor) -> _Climb:
        u, dual = _row_update(problem, v)
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
        u, dual = _row_update(self.problem, v)
        # No rise can be seen below the rounding of the dual, a difference of such large numbers.
        largest = 1 + self.u.abs().amax(1) + self.v.abs().amax(1)
        taken = solved & (dual >= self.dual - 64 * torch.finfo(v.dtype).eps * largest)
        if not bool(taken.all()):
            v = torch.where(taken[:, None], v, self.problem.columns(self.u))
            u, dual = _row_update(self.problem, v)
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


def _row_update(problem: EntropicProblem, v: Tensor) -> tuple[Tensor, Tensor]:
    """The best u given v, and the dual there, the plan's mass being that of its row sums."""
    u = problem.rows(v)
    return u, problem.dual(u, v, problem.row_target(u).sum(1))
