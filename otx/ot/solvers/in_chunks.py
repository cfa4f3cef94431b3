"""Problems too large for one chip, on a GPU: iterations in chunks, with one wait for the device after each.

The iterations are those of ``otx.ot.solvers.sinkhorn_kernel``, over-relaxed, or averaged for sides against themselves.
Nothing is checked before they start: what they need to be safe is read together with the first chunk's errors.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from otx.ot.kernels import is_available
from otx.ot.precision import no_autocast, to_solver_dtype
from otx.ot.problems.entropic import EntropicProblem
from otx.ot.problems.marginals import ROUNDING, require_regularisation
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem
from otx.ot.solvers.newton import Ascent, ascend
from otx.ot.solvers.sinkhorn_kernel import (
    CHECK_EVERY,
    NO_MASS,
    OMEGA,
    SAFE_EXPONENT,
    fit_relaxation,
)
from otx.ot.stopping import Stopping
from otx.ot.transport import Transport, attach_slopes, watch

CHUNK = 3 * CHECK_EVERY
"""Iterations between two waits. A wait costs as much as some five iterations of 1,000 words a side."""
FEWEST_ITERATIONS = 2 * CHECK_EVERY
"""Smallest limit of iterations; half of them are left to Newton's method."""


def can_solve(problem: Problem | PointCloudProblem, stopping: Stopping) -> bool:
    """Return True on a GPU, whose host should not wait for it after every few iterations.

    Args:
        problem: The problems.
        stopping: When to stop working on a problem.

    Returns:
        False also if the limit leaves too few iterations for Newton's method, or there is nothing to solve.
    """
    on_gpu = problem.a.is_cuda or is_available(problem.a)
    some = min(*problem.a.shape, *problem.b.shape) > 0
    return on_gpu and some and stopping.max_iterations >= FEWEST_ITERATIONS


def solve_in_chunks(
    problem: Problem, symmetric: Tensor | None, stopping: Stopping
) -> Transport | None:
    """Solve a batch of problems whose kernels ``exp(-C / eps)`` are safe in float64.

    Args:
        problem: The problems.
        symmetric: True ``[B]`` for sides against themselves; None: as the problem says, all or none.
        stopping: When to stop working on a problem.

    Returns:
        Value, potentials, plan and convergence of every problem; None if one has no solution or is not safe.

    Raises:
        ProblemError: If epsilon is not positive and finite, or a tau is not positive.
    """
    with no_autocast(problem.cost):
        problem = problem.at_least_float32()
        require_regularisation(problem.epsilon, problem.taus)
        fixed = problem.detach()
        entropic, sound = _unchecked(fixed)
        if symmetric is None:
            symmetric = torch.full_like(sound, problem.symmetric)
        state, is_sound, is_done = _iterate(entropic, sound, symmetric, stopping)
        if not is_sound:
            return None
        left_over = 0 if is_done else _finish(entropic, state, stopping)
        optimum = entropic.optimum(state.u, state.v, problem.epsilon)

        a, b, require_unchanged = entropic.a, entropic.b, watch(fixed.cost)

        @cache
        def plan() -> Tensor:
            require_unchanged()
            exponent = optimum.log_p[:, :, None] + optimum.log_q[:, None, :]
            return exponent.sub_(_exponent(fixed, a, b)).exp_().to(fixed.cost)

        value = attach_slopes(
            optimum.value.to(fixed.cost),
            (problem.cost, problem.a, problem.b),
            lambda: (plan(), optimum.slope_a, optimum.slope_b),
        )
        transport = Transport.from_potentials(
            fixed,
            optimum.f,
            optimum.g,
            value=value,
            plan=plan,
            iterations=state.steps,
            error=state.error,
            converged=state.error <= stopping.tolerance,
            mass=optimum.mass,
        )
        return replace(transport, left_over=left_over)


def _unchecked(problem: Problem) -> tuple[EntropicProblem, Tensor]:
    """Return what ``otx.ot.problems.entropic.validate`` does, and where it and the kernel ``[B]`` are sound."""
    a, b = to_solver_dtype(problem.a), to_solver_dtype(problem.b)
    sums = torch.stack([a.sum(1), b.sum(1)])
    sound = (sums > 0).all(0) & (sums < torch.inf).all(0)
    sound &= (a >= 0).all(1) & (b >= 0).all(1)
    if problem.taus == BALANCED:
        total = sums.mean(0)
        sound &= (sums[0] - sums[1]).abs() <= ROUNDING * total
        a, b = (side * scale[:, None] for side, scale in zip((a, b), total / sums, strict=True))
    rows, columns = (torch.full_like(a[:, :1], problem.epsilon / tau) for tau in problem.taus)
    exponent = _exponent(problem, a, b)
    largest = torch.maximum(-exponent.amin((1, 2)), exponent.amax((1, 2)))
    entropic = EntropicProblem(a, b, a.log(), b.log(), rows, columns, exponent, largest)
    return entropic, sound & (largest <= SAFE_EXPONENT)


def _exponent(problem: Problem, a: Tensor, b: Tensor) -> Tensor:
    live = (a > 0)[:, :, None] & (b > 0)[:, None, :]
    return (to_solver_dtype(problem.cost) / problem.epsilon).masked_fill_(~live, 0)


def _iterate(
    problem: EntropicProblem, sound: Tensor, symmetric: Tensor, stopping: Stopping
) -> tuple[Ascent, bool, bool]:
    """Return the last measured state, and whether all problems are sound, and converged."""
    kernel = problem.exponent.neg().exp_()
    transposed = kernel.mT
    log_a, log_b = (log.clamp_min(NO_MASS)[:, None] for log in (problem.log_a, problem.log_b))
    stiff_rows, stiff_columns = (
        -1 / (1 + ratio[:, :, None])
        for ratio in (problem.eps_over_tau_rows, problem.eps_over_tau_columns)
    )
    averaged = symmetric[:, None, None]
    omega = torch.full_like(stiff_rows, OMEGA).masked_fill_(averaged, 1)
    weight = omega.masked_fill(averaged, 0.5)
    before = torch.full_like(omega, torch.inf)
    log_p, log_q = log_a, log_b
    limit = stopping.max_iterations // 2
    for iteration in range(1, limit + 1):
        checked = iteration % CHECK_EVERY == 0 or iteration == limit
        exact = torch.addcmul(log_a, torch.bmm(log_q.exp(), transposed).log_(), stiff_rows)
        log_p = exact if checked or iteration == 1 else log_p.lerp(exact, omega)
        flow = torch.bmm(log_p.exp(), kernel)
        if checked:
            v = log_q - log_b
            target = torch.exp(log_b - problem.eps_over_tau_columns[:, None] * v)
            error = (log_q.exp().mul_(flow).sub_(target)).abs_().sum(2, keepdim=True)
            if iteration % CHUNK == 0 or iteration == limit:
                done = (error[:, 0, 0] <= stopping.tolerance) & sound
                is_sound, is_done = torch.stack([sound.all(), done.all()]).tolist()
                if is_done or not is_sound:
                    break
            omega = fit_relaxation(error, before, omega).masked_fill_(averaged, 1)
            weight, before = omega.masked_fill(averaged, 0.5), error
        exact = torch.addcmul(log_b, flow.log_(), stiff_columns)
        if log_p.shape == log_q.shape:
            exact = torch.where(averaged, log_p, exact)
        log_q = log_q.lerp(exact, weight)
    steps = torch.full_like(sound, iteration, dtype=torch.long)
    state = Ascent((log_p - log_a)[:, 0], v[:, 0], steps, error[:, 0, 0])
    return state, is_sound, is_done


def _finish(problem: EntropicProblem, state: Ascent, stopping: Stopping) -> int:
    """Take Newton steps on what has not converged, in place, and return how many problems that were."""
    left = (~(state.error <= stopping.tolerance)).nonzero()[:, 0]
    spent = int(state.steps[0])
    limit = stopping.with_limit(stopping.max_iterations - spent)
    rest = ascend(problem.select(left), state.v[left].nan_to_num(0, 0, 0), limit)
    state.put(left, replace(rest, steps=rest.steps + spent))
    return len(left)
