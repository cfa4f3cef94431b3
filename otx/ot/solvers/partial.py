"""Entropic transport of a part of the mass: no word has to find a partner."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import no_autocast
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.problem import Problem
from otx.ot.solvers.sinkhorn_log import cool
from otx.ot.stopping import Stopping
from otx.ot.transport import Transport, attach_slopes

CHECK_EVERY = 10
"""Iterations from one measurement of the error to the next."""
COOLING = 50
"""Iterations at falling temperatures, before those at epsilon."""
_FREE = (1.0, 1.0)
"""Any finite tau lets the two sides have different totals; it is not used beyond that."""


def partial_transport(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    mass: float | Tensor,
    tolerance: float = 1e-6,
    max_iterations: int = 2_000,
) -> Transport:
    """Solve entropic partial transport for a batch of problems.

    Minimises ``<P, C> + epsilon KL(P | a b^T)`` over plans ``P >= 0`` with row sums at most ``a``, column sums at most
    ``b`` and a total of ``mass``. Solved by Bregman's cyclic projections: each potential is Sinkhorn's, but never
    above 0, and the total is exact. It begins warm and cools for ``COOLING`` iterations.

    POT's ``ot.partial.entropic_partial_wasserstein`` has the same plan for the cost ``C - epsilon log(a b^T)``,
    because its reference measure is the constant one.

    Args:
        cost: Cost matrices ``[B, N, M]``, any unit. Entries without mass may hold anything.
        a: Source masses ``[B, N]``, of any total; 0 marks padding.
        b: Target masses ``[B, M]``, of any total; 0 marks padding.
        epsilon: Regularisation strength, in the unit of ``cost``.
        mass: Mass to transport, one number or ``[B]``: above 0 and at most the smaller of both totals.
        tolerance: Stop a problem when its ``marginal_error`` is within this.
        max_iterations: Upper limit per problem; unconverged problems are returned with ``converged=False``.

    Returns:
        Value, potentials, plan and convergence of every problem. ``f`` and ``g`` are at most 0, and 0 where a word
        keeps some of its mass. The price of the total, the derivative of ``value`` by ``mass``, is not among them.
        ``marginal_error`` is the L1 distance, in mass, of the plan's marginals from what they may be: at most ``a`` and
        ``b``, and equal where the potential is below 0.

    Raises:
        ProblemError: If ``mass`` is out of range, or a problem has no solution, naming its index: see
            ``otx.ot.problems.entropic.validate``.

    Example:
        Half of the mass moves, and the word without a near partner keeps its own:

        >>> half = torch.full((1, 2), 0.5)
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 2.0]]])
        >>> partial_transport(cost, half, half, epsilon=0.02, mass=0.5).plan.round(decimals=3)
        tensor([[[0.5000, 0.0000],
                 [0.0000, 0.0000]]])

    References:
        Benamou et al. (2015), "Iterative Bregman Projections for Regularized Transportation Problems", section 5.
        https://arxiv.org/abs/1412.5154
    """
    with no_autocast(cost):
        problem = Problem(cost, a, b, epsilon=epsilon, tau=_FREE).at_least_float32()
        cost, a, b = problem.cost, problem.a, problem.b
        valid = validate(problem)
        tight = torch.zeros_like(valid.eps_over_tau_rows)
        valid = replace(valid, eps_over_tau_rows=tight, eps_over_tau_columns=tight)
        total = _total(valid, mass)
        state = _project(valid, total, Stopping(tolerance, max_iterations))
        u, v, w = state.u, state.v, state.w
        plan = valid.plan(u + w[:, None], v)
        dual = (valid.a * u).sum(1) + (valid.b * v).sum(1) + total * w
        value = epsilon * (dual - plan.sum((1, 2)) + valid.a.sum(1) * valid.b.sum(1))
        slope_a = (epsilon * _slope(valid.a, u, plan.sum(2), valid.b)).to(a)
        slope_b = (epsilon * _slope(valid.b, v, plan.sum(1), valid.a)).to(b)
        return Transport.from_potentials(
            valid,
            epsilon * u,
            epsilon * v,
            value=attach_slopes(
                value.to(cost), (cost, a, b), lambda: (plan.to(cost), slope_a, slope_b)
            ),
            plan=plan,
            iterations=state.steps,
            error=state.error,
            converged=state.error <= tolerance,
        )


@dataclass(frozen=True, eq=False)
class _State:
    """Potentials ``u [B, N]``, ``v [B, M]`` and ``w [B]`` (of the total), iterations and errors ``[B]``."""

    u: Tensor
    v: Tensor
    w: Tensor
    steps: Tensor
    error: Tensor


def _total(problem: EntropicProblem, mass: float | Tensor) -> Tensor:
    total = torch.as_tensor(mass).to(problem.a).expand(len(problem.a))
    most = torch.minimum(problem.a.sum(1), problem.b.sum(1)) * (1 + 1e-6)
    bad = ~((total > 0) & (total <= most))
    if bool(bad.any()):
        at = int(bad.nonzero()[0, 0])
        raise ProblemError(
            f"problem {at}: a mass of {total[at].item():g} cannot be transported",
            f"it must be above 0 and at most {most[at].item():g}, the smaller side's",
        )
    return total


def _project(problem: EntropicProblem, total: Tensor, stopping: Stopping) -> _State:
    """Iterate the projections; a problem leaves the work once it has converged."""
    limit = stopping.max_iterations
    u, v, w = _cool_projections(problem, total, min(COOLING, limit))
    steps, errors = torch.full_like(total, limit, dtype=torch.long), _error(problem, u, v, w)
    index = torch.arange(len(total), device=total.device)
    for step in range(min(COOLING, limit), limit + 1):
        if step % CHECK_EVERY == 0 or step == limit:
            error = _error(problem.select(index), u[index], v[index], w[index])
            errors[index] = error
            steps[index[error <= stopping.tolerance]] = step
            index = index[error > stopping.tolerance]
            if step == limit or not len(index):
                break
        active = problem.select(index)
        u[index], v[index], w[index] = _project_once(active, total[index], v[index], w[index])
    return _State(u, v, w, steps, errors)


def _cool_projections(
    problem: EntropicProblem, total: Tensor, sweeps: int
) -> tuple[Tensor, Tensor, Tensor]:
    u, v, w = torch.zeros_like(problem.a), torch.zeros_like(problem.b), total.log()
    for temperature, heated in cool(problem, sweeps):
        factor = temperature[:, 0]
        cooled = _project_once(heated, total, v / temperature, w / factor)
        u, v, w = cooled[0] * temperature, cooled[1] * temperature, cooled[2] * factor
    return u, v, w


def _project_once(
    problem: EntropicProblem, total: Tensor, v: Tensor, w: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run one cycle: rows to at most a, columns to at most b, everything to the total."""
    u = problem.rows(v + w[:, None]).clamp(max=0).masked_fill(problem.a == 0, 0)
    v = problem.columns(u + w[:, None]).clamp(max=0).masked_fill(problem.b == 0, 0)
    inflow = problem.b * torch.exp(v - problem.columns(u))
    return u, v, total.log() - inflow.sum(1).log()


def _error(problem: EntropicProblem, u: Tensor, v: Tensor, w: Tensor) -> Tensor:
    plan = problem.plan(u + w[:, None], v)
    return _excess(plan.sum(2), problem.a, u) + _excess(plan.sum(1), problem.b, v)


def _excess(marginal: Tensor, limit: Tensor, potential: Tensor) -> Tensor:
    gap = marginal - limit
    return torch.where(potential < 0, gap.abs(), gap.clamp(min=0)).sum(1)


def _slope(masses: Tensor, potential: Tensor, marginal: Tensor, other: Tensor) -> Tensor:
    """Return the derivative of the dual, over epsilon, by the masses of one side."""
    share = marginal / masses.masked_fill(masses == 0, 1)
    return (potential - share + other.sum(1, keepdim=True)).masked_fill(masses == 0, 0)
