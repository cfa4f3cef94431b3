"""Sinkhorn's iterations in the kernel domain, over-relaxed: the fast path where exp(-C / eps) is safe.

With the kernel K = exp(-C / eps) computed once, an iteration is two matrix-vector products instead
of two passes of exponentials over the cost. A step beyond the update, ``u + omega (update - u)``,
takes a third of the plain iterations on sentences at epsilon .05 (Thibault, Chizat, Dossal,
Papadakis: Overrelaxed Sinkhorn-Knopp algorithm for regularized optimal transport, 2021). Whether
the kernel is safe is decided by a bound, not by trial.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from otx.ot.problems.entropic import EntropicProblem
from otx.ot.solvers.newton import Ascent

SAFE_EXPONENT = 150.0
"""Largest |C| / eps: updates of potentials within R of 0 stay within 2 R, over-relaxed ones within 4 R,
and float64 holds exp(700)."""
CHECK_EVERY = 6
OMEGA, OMEGA_MOST = 1.5, 1.8
NO_MASS = -1e6
"""Log of a mass of 0: its exponential is 0, and unlike -inf it can be relaxed."""
GROWTH = 2.0
"""By what factor the error may grow between two checks before a problem is iterated plainly."""


def is_safe(problem: EntropicProblem) -> Tensor:
    """Whether no exponential of the iterations leaves the numbers' range, for each problem ``[B]``."""
    return (problem.largest <= SAFE_EXPONENT) & (problem.largest.dtype == torch.float64)


def alternate(problem: EntropicProblem, v: Tensor, tolerance: float, limit: int) -> Ascent:
    """Rows and columns by turns from ``v [B, M]``, over-relaxed, ``limit`` iterations at most.

    A problem leaves the work once its column sums, with exact row sums, are within ``tolerance``.
    """
    work = _Work.start(problem, v)
    for iteration in range(limit + 1):
        checked = iteration % CHECK_EVERY == 0 or iteration == limit
        exact = work.row_update()
        work.log_p = exact if checked else work.log_p.lerp_(exact, work.omega)
        flow = work.column_flow()
        if checked:
            going = work.settle(flow, iteration, tolerance)
            if not bool(going.any()):
                break
            work, flow = work.thinned(going, flow)
            work.adapt()
        exact = work.column_update(flow)
        # At the start there is nothing to relax from.
        work.log_q = work.log_q.lerp_(exact, work.omega) if iteration else exact
    return work.found


def average(problem: EntropicProblem, v: Tensor, tolerance: float, limit: int) -> Ascent:
    """``v <- (v + rows(v)) / 2`` for sides against themselves, as in ``otx.ot.solvers.sinkhorn_log.average``."""
    work = _Work.start(problem, v)
    for iteration in range(limit + 1):
        work.log_p = work.row_update()
        if iteration % CHECK_EVERY == 0 or iteration == limit:
            flow = work.column_flow()
            going = work.settle(flow, iteration, tolerance)
            if not bool(going.any()):
                break
            work, _ = work.thinned(going, flow)
        work.log_q = torch.lerp(work.log_q, work.log_p, 0.5)
    return work.found


@dataclass(eq=False)
class _Work:
    """The problems still at work.

    ``log_p [b, 1, N]`` is u + log a and ``log_q [b, 1, M]`` is v + log b, so that the plan is
    ``exp(log_p)^T K exp(log_q)``; ``stiff_rows`` and ``stiff_columns [b, 1, 1]`` are -1 / (1 + how
    loose they are); ``omega`` is the relaxation, ``error`` and ``before`` those of the last checks.
    A row vector times a batch of matrices takes less than half the time of matrices times a column.
    """

    found: Ascent
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
            Ascent.at(problem, v, 0),
            torch.arange(len(v), device=v.device),
            kernel,
            kernel.mT.contiguous(),
            log_a,
            log_b,
            stiff_rows,
            stiff_columns,
            log_a,
            log_b + v[:, None, :],
            torch.full_like(unknown, OMEGA),
            unknown,
            unknown,
        )

    def row_update(self) -> Tensor:
        """``log_p`` as it is best at ``log_q``."""
        flow = torch.bmm(torch.exp(self.log_q), self.transposed)
        return torch.addcmul(self.log_a, flow.log_(), self.stiff_rows)

    def column_flow(self) -> Tensor:
        """The plan's column sums at ``log_p``, over ``exp(log_q)``: ``[b, 1, M]``."""
        return torch.bmm(torch.exp(self.log_p), self.kernel)

    def column_update(self, flow: Tensor) -> Tensor:
        """``log_q`` as it is best at the ``log_p`` of ``flow``, which is overwritten."""
        return torch.addcmul(self.log_b, flow.log_(), self.stiff_columns)

    def settle(self, flow: Tensor, iteration: int, tolerance: float) -> Tensor:
        """Note where every problem is; returns which of them go on ``[b]``."""
        v = self.log_q - self.log_b
        target = torch.exp(self.log_b + (1 + 1 / self.stiff_columns) * v)
        gap = torch.exp(self.log_q).mul_(flow).sub_(target)
        self.before, self.error = self.error, gap.abs_().sum(2, keepdim=True)
        error = self.error[:, 0, 0]
        going = ~(self.found.error[self.index] <= tolerance)
        sound = going & error.isfinite()
        place = self.index[sound]
        self.found.u[place] = (self.log_p - self.log_a)[sound, 0]
        self.found.v[place] = v[sound, 0]
        self.found.error[place] = error[sound]
        self.found.steps[self.index[going]] = iteration
        return going & ~(error <= tolerance)

    def thinned(self, going: Tensor, flow: Tensor) -> tuple[_Work, Tensor]:
        """Without the problems that are done, once they are the half: copying kernels has its price."""
        if 2 * int(going.sum()) > len(going):
            return self, flow
        parts = (getattr(self, field.name) for field in fields(self)[1:])
        return _Work(self.found, *(part[going] for part in parts)), flow[going]

    def adapt(self) -> None:
        """Take the relaxation that fits the last two checks."""
        self.omega = fitting(self.error, self.before, self.omega)


def fitting(error: Tensor, before: Tensor, omega: Tensor) -> Tensor:
    """The relaxation that fits the error's fall from ``before`` a check ago (Young's formula for SOR).

    Of any one shape, all three. ``before`` is infinite at the first check, when nothing is known.
    """
    fall = (error / before).clamp(1e-12, 0.9999) ** (1 / CHECK_EVERY)
    plain = ((fall + omega - 1) ** 2 / (fall * omega**2)).clamp(0, 0.9999)
    best = (2 / (1 + (1 - plain).sqrt())).clamp(OMEGA, OMEGA_MOST)
    # NaN is no fall.
    known = torch.where(error < GROWTH * before, best, torch.ones_like(best))
    return torch.where(before.isinf(), omega, known)
