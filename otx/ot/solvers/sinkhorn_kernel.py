"""Sinkhorn's iterations in the kernel domain, over-relaxed: the fast path where ``exp(-C / eps)`` is safe.

With the kernel ``K = exp(-C / eps)`` computed once, an iteration is two matrix-vector products instead of two passes
of exponentials over the cost. A step beyond the update, ``u + omega (update - u)``, takes a third of the plain
iterations on sentences at epsilon .05. A bound decides whether the kernel is safe, not a trial.

References:
    Thibault, Chizat, Dossal and Papadakis (2021), "Overrelaxed Sinkhorn-Knopp Algorithm for Regularized Optimal
    Transport". https://arxiv.org/abs/1711.01851
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from otx.ot.problems.entropic import EntropicProblem
from otx.ot.solvers.newton import Ascent
from otx.ot.stopping import Stopping

SAFE_EXPONENT = 150.0
"""Largest safe |C| / eps. If potentials are within R of 0, their updates are within 2 R and over-relaxed updates within
4 R; float64 holds exp(700)."""
CHECK_EVERY = 6
"""Iterations from one measurement of the error to the next."""
SCALINGS = 36
"""Iterations before Newton, for sentences: a compiled Newton step costs as much as ten iterations up to 16 words, as
forty at 64. Problems with more columns than this get as many iterations as they have columns."""
OMEGA, OMEGA_MOST = 1.5, 1.8
"""Initial and largest relaxation."""
NO_MASS = -1e6
"""Stand-in for the logarithm of a mass of 0: its exponential is 0, and unlike -inf it can be relaxed."""
GROWTH = 2.0
"""Factor by which the error may grow between two measurements before a problem is iterated without relaxation."""


def is_safe(problem: EntropicProblem) -> Tensor:
    """Return True ``[B]`` for problems whose iterations stay within the range of float64.

    Args:
        problem: The problems.

    Returns:
        True where every exponential of the iterations can be represented.
    """
    return (problem.largest <= SAFE_EXPONENT) & (problem.largest.dtype == torch.float64)


def alternate(problem: EntropicProblem, v: Tensor, stopping: Stopping) -> Ascent:
    """Update rows and columns by turns, over-relaxed.

    A problem leaves the work once its column sums, with exact row sums, are within the tolerance.

    Args:
        problem: Safe problems.
        v: Target potentials ``[B, M]`` to start from, in units of epsilon.
        stopping: Tolerance and largest number of iterations.

    Returns:
        The state of every problem at its last measurement.
    """
    work = _Work.start(problem, v)
    limit = stopping.max_iterations
    for iteration in range(limit + 1):
        checked = iteration % CHECK_EVERY == 0 or iteration == limit
        exact = work.row_update()
        work.log_p = exact if checked else work.log_p.lerp_(exact, work.omega)
        flow = work.column_flow()
        if checked:
            going = work.settle(flow, iteration, stopping.tolerance)
            if not bool(going.any()):
                break
            work, flow = work.thinned(going, flow)
            work.adapt()
        exact = work.column_update(flow)
        # At the start there is nothing to relax from.
        work.log_q = work.log_q.lerp_(exact, work.omega) if iteration else exact
    return work.ascent


def average(problem: EntropicProblem, v: Tensor, stopping: Stopping) -> Ascent:
    """Average the potentials with their row update, for sides against themselves.

    The update is that of ``otx.ot.solvers.sinkhorn_log.average``, without cooling.

    Args:
        problem: Safe, symmetric problems.
        v: Potentials ``[B, N]`` to start from, in units of epsilon.
        stopping: Tolerance and largest number of updates.

    Returns:
        The state of every problem at its last measurement.
    """
    work = _Work.start(problem, v)
    limit = stopping.max_iterations
    for iteration in range(limit + 1):
        work.log_p = work.row_update()
        if iteration % CHECK_EVERY == 0 or iteration == limit:
            flow = work.column_flow()
            going = work.settle(flow, iteration, stopping.tolerance)
            if not bool(going.any()):
                break
            work, _ = work.thinned(going, flow)
        work.log_q = torch.lerp(work.log_q, work.log_p, 0.5)
    return work.ascent


@dataclass(eq=False)
class _Work:
    """The problems that have not converged.

    ``log_p [b, 1, N]`` is u + log a and ``log_q [b, 1, M]`` is v + log b, so that the plan is
    ``exp(log_p)^T K exp(log_q)``. ``stiff_rows`` and ``stiff_columns [b, 1, 1]`` are -1 / (1 + epsilon / tau);
    ``omega`` is the relaxation; ``error`` and ``before`` are those of the last two measurements. A row vector times a
    batch of matrices takes less than half the time of matrices times a column.
    """

    ascent: Ascent
    index: Tensor
    kernel: Tensor
    transposed: Tensor
    log_a: Tensor
    log_b: Tensor
    stiff_rows: Tensor
    stiff_columns: Tensor
    log_p: Tensor
    log_q: Tensor
    omega: Tensor
    error: Tensor
    before: Tensor

    @classmethod
    def start(cls, problem: EntropicProblem, v: Tensor) -> _Work:
        kernel = problem.exponent.neg().exp_()
        log_a, log_b = (
            log.clamp_min(NO_MASS)[:, None, :] for log in (problem.log_a, problem.log_b)
        )
        stiff_rows = -1 / (1 + problem.eps_over_tau_rows[:, :, None])
        stiff_columns = -1 / (1 + problem.eps_over_tau_columns[:, :, None])
        unknown = torch.full_like(stiff_rows, torch.inf)
        return cls(
            ascent=Ascent.at(problem, v, 0),
            index=torch.arange(len(v), device=v.device),
            kernel=kernel,
            transposed=kernel.mT.contiguous(),
            log_a=log_a,
            log_b=log_b,
            stiff_rows=stiff_rows,
            stiff_columns=stiff_columns,
            log_p=log_a,
            log_q=log_b + v[:, None, :],
            omega=torch.full_like(unknown, OMEGA),
            error=unknown,
            before=unknown,
        )

    def row_update(self) -> Tensor:
        """Return the best ``log_p`` given ``log_q``."""
        flow = torch.bmm(torch.exp(self.log_q), self.transposed)
        return torch.addcmul(self.log_a, flow.log_(), self.stiff_rows)

    def column_flow(self) -> Tensor:
        """Return the plan's column sums at ``log_p``, over ``exp(log_q)``: ``[b, 1, M]``."""
        return torch.bmm(torch.exp(self.log_p), self.kernel)

    def column_update(self, flow: Tensor) -> Tensor:
        """Return the best ``log_q`` given the ``log_p`` of ``flow``, which is overwritten."""
        return torch.addcmul(self.log_b, flow.log_(), self.stiff_columns)

    def settle(self, flow: Tensor, iteration: int, tolerance: float) -> Tensor:
        """Record the state of every problem; return True ``[b]`` for those that go on."""
        v = self.log_q - self.log_b
        target = torch.exp(self.log_b + (1 + 1 / self.stiff_columns) * v)
        gap = torch.exp(self.log_q).mul_(flow).sub_(target)
        self.before, self.error = self.error, gap.abs_().sum(2, keepdim=True)
        error = self.error[:, 0, 0]
        going = ~(self.ascent.error[self.index] <= tolerance)
        sound = going & error.isfinite()
        place = self.index[sound]
        self.ascent.u[place] = (self.log_p - self.log_a)[sound, 0]
        self.ascent.v[place] = v[sound, 0]
        self.ascent.error[place] = error[sound]
        self.ascent.steps[self.index[going]] = iteration
        return going & ~(error <= tolerance)

    def thinned(self, going: Tensor, flow: Tensor) -> tuple[_Work, Tensor]:
        """Drop the problems that are done once they are half of the work, because copying kernels takes time."""
        if 2 * int(going.sum()) > len(going):
            return self, flow
        parts = (getattr(self, field.name) for field in fields(self)[1:])
        return _Work(self.ascent, *(part[going] for part in parts)), flow[going]

    def adapt(self) -> None:
        """Take the relaxation that fits the last two measurements."""
        self.omega = fit_relaxation(self.error, self.before, self.omega)


def fit_relaxation(error: Tensor, before: Tensor, omega: Tensor) -> Tensor:
    """Return the relaxation that fits the fall of the error, by Young's formula.

    Args:
        error: Errors of any shape.
        before: Errors ``CHECK_EVERY`` iterations ago, of the same shape; infinite at the first measurement.
        omega: Relaxation in between, of the same shape.

    Returns:
        The new relaxation; ``omega`` where ``before`` is infinite, 1 where the error grew by more than ``GROWTH``.

    References:
        Young (1954), "Iterative methods for solving partial difference equations of elliptic type".
        https://doi.org/10.1090/S0002-9947-1954-0059635-7
    """
    fall = (error / before).clamp(1e-12, 0.9999) ** (1 / CHECK_EVERY)
    plain = ((fall + omega - 1) ** 2 / (fall * omega**2)).clamp(0, 0.9999)
    best = (2 / (1 + (1 - plain).sqrt())).clamp(OMEGA, OMEGA_MOST)
    # NaN is not below the bound either.
    known = torch.where(error < GROWTH * before, best, torch.ones_like(best))
    return torch.where(before.isinf(), omega, known)
