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

from otx.ot.newton import Ascent
from otx.ot.problem import EntropicProblem

SAFE_EXPONENT = 150.0
"""Largest |C| / eps: updates of potentials within R of 0 stay within 2 R, over-relaxed ones within 4 R,
and float64 holds exp(700)."""
CHECK_EVERY = 6
OMEGA, OMEGA_MOST = 1.5, 1.8
GROWTH = 2.0
"""By what factor the error may grow between two checks before a problem is iterated plainly."""


def is_safe(problem: EntropicProblem) -> Tensor:
    """Whether no exponential of the iterations leaves the numbers' range, for each problem ``[B]``."""
    largest = problem.exponent.abs().amax((1, 2))
    return (largest <= SAFE_EXPONENT) & (largest.dtype == torch.float64)


def alternate(problem: EntropicProblem, v: Tensor, tolerance: float, limit: int) -> Ascent:
    """Rows and columns by turns from ``v [B, M]``, over-relaxed, ``limit`` iterations at most.

    A problem leaves the work once its column sums, with exact row sums, are within ``tolerance``.
    """
    work = _Work.start(problem, v)
    for iteration in range(limit + 1):
        checked = iteration % CHECK_EVERY == 0 or iteration == limit
        exact = work.row_update()
        work.u = exact if checked else work.u.lerp_(exact, work.omega)
        sums = work.column_sums()
        if checked:
            going = work.settle(sums, iteration, tolerance)
            if not bool(going.any()):
                break
            work, sums = work.thinned(going, sums)
            work.adapt()
        # At the start there is nothing to relax from.
        work.v = work.v.lerp(work.column_update(sums), work.omega if iteration else 1.0)
    return work.found


def average(problem: EntropicProblem, v: Tensor, tolerance: float, limit: int) -> Ascent:
    """``v <- (v + rows(v)) / 2`` for sides against themselves, as in ``otx.ot.sweeps.average``."""
    work = _Work.start(problem, v)
    for iteration in range(limit + 1):
        work.u = work.row_update()
        if iteration % CHECK_EVERY == 0 or iteration == limit:
            sums = work.column_sums()
            going = work.settle(sums, iteration, tolerance)
            if not bool(going.any()):
                break
            work, _ = work.thinned(going, sums)
        work.v = (work.v + work.u) / 2
    return work.found


@dataclass(eq=False)
class _Work:
    """The problems still at work: masses, kernel, potentials, relaxation ``omega [b, 1]``, last error."""

    found: Ascent
    index: Tensor
    kernel: Tensor
    transposed: Tensor
    a: Tensor
    b: Tensor
    loose_rows: Tensor
    loose_columns: Tensor
    u: Tensor
    v: Tensor
    omega: Tensor
    error: Tensor
    before: Tensor

    @classmethod
    def start(cls, problem: EntropicProblem, v: Tensor) -> _Work:
        kernel = torch.exp(-problem.exponent)
        unknown = torch.full_like(problem.loose_rows, torch.inf)
        return cls(
            Ascent.at(v, 0),
            torch.arange(len(v), device=v.device),
            kernel,
            kernel.mT.contiguous(),
            problem.a,
            problem.b,
            problem.loose_rows,
            problem.loose_columns,
            torch.zeros_like(problem.a),
            v,
            torch.full_like(problem.loose_rows, OMEGA),
            unknown,
            unknown,
        )

    def row_update(self) -> Tensor:
        """``EntropicProblem.rows`` at v."""
        sums = torch.bmm(self.kernel, (self.b * torch.exp(self.v))[:, :, None])[:, :, 0]
        return sums.log_().neg_().div_(1 + self.loose_rows)

    def column_sums(self) -> Tensor:
        """The plan's column sums at u, over ``b exp(v)``."""
        return torch.bmm(self.transposed, (self.a * torch.exp(self.u))[:, :, None])[:, :, 0]

    def column_update(self, sums: Tensor) -> Tensor:
        """``EntropicProblem.columns`` from ``column_sums``."""
        return sums.log().neg_().div_(1 + self.loose_columns)

    def settle(self, sums: Tensor, iteration: int, tolerance: float) -> Tensor:
        """Note where every problem is; returns which of them go on ``[b]``."""
        target = torch.exp(-self.loose_columns * self.v)
        gap = self.b * (torch.exp(self.v) * sums - target)
        self.before, self.error = self.error, gap.abs_().sum(1, keepdim=True)
        going = ~(self.found.error[self.index] <= tolerance)
        sound = self.index[going & self.error[:, 0].isfinite()]
        self.found.v[sound] = self.v[going & self.error[:, 0].isfinite()]
        self.found.error[self.index[going]] = self.error[going, 0]
        self.found.steps[self.index[going]] = iteration
        return going & ~(self.error[:, 0] <= tolerance)

    def thinned(self, going: Tensor, sums: Tensor) -> tuple[_Work, Tensor]:
        """Without the problems that are done, once they are the half: copying kernels has its price."""
        if 2 * int(going.sum()) > len(going):
            return self, sums
        parts = (getattr(self, field.name) for field in fields(self)[1:])
        return _Work(self.found, *(part[going] for part in parts)), sums[going]

    def adapt(self) -> None:
        """The relaxation that fits the error's fall since the last check (Young's formula for SOR)."""
        fall = (self.error / self.before).clamp(1e-12, 0.9999) ** (1 / CHECK_EVERY)
        plain = ((fall + self.omega - 1) ** 2 / (fall * self.omega**2)).clamp(0, 0.9999)
        best = (2 / (1 + (1 - plain).sqrt())).clamp(OMEGA, OMEGA_MOST)
        # NaN is no fall.
        known = torch.where(self.error < GROWTH * self.before, best, torch.ones_like(best))
        self.omega = torch.where(self.before.isinf(), self.omega, known)
