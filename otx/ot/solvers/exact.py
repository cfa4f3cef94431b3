"""Exact transport, without regularisation: for inspection, labels and tests, not for training."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from otx.ot.precision import no_autocast
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.problem import Problem
from otx.ot.transport import Transport, attach_slopes

TOLERANCE = 1e-6
"""L1 error of both marginals, in mass, within which a plan counts as converged."""


def exact_transport(
    cost: Tensor, a: Tensor, b: Tensor, *, max_iterations: int = 1_000_000
) -> Transport:
    """Solve unregularised optimal transport by POT's network simplex.

    Minimises ``<P, C>`` over plans ``P >= 0`` with row sums ``a`` and column sums ``b``. The problems are solved on the
    CPU in float64, several at a time. Where several plans are optimal, the one returned is a vertex; the gradient of
    ``value`` is then a subgradient: the plan by the cost, the potentials by the masses.

    Args:
        cost: Cost matrices ``[B, N, M]``, any unit. Entries without mass may hold anything.
        a: Source masses ``[B, N]``; 0 marks padding. Each problem sums to the same mass as ``b``.
        b: Target masses ``[B, M]``; 0 marks padding.
        max_iterations: Limit of the simplex per problem; problems beyond it are returned with ``converged=False``.

    Returns:
        Value, potentials, plan and convergence of every problem. ``iterations`` is 0: POT does not report them.

    Raises:
        ProblemError: If a problem has no solution, naming its index: see ``otx.ot.problems.entropic.validate``.

    Example:
        >>> half = torch.full((1, 2), 0.5)
        >>> result = exact_transport(torch.tensor([[[3.0, 1.0], [1.0, 3.0]]]), half, half)
        >>> result.value, result.plan
        (tensor([1.]), tensor([[[0.0000, 0.5000],
                 [0.5000, 0.0000]]]))

    References:
        Bonneel et al. (2011), "Displacement interpolation using Lagrangian mass transport" (the simplex of POT).
        https://doi.org/10.1145/2070781.2024192
    """
    with no_autocast(cost), warnings.catch_warnings():
        # POT's warnings are in ``converged`` and ``marginal_error``.
        warnings.simplefilter("ignore")
        problem = Problem(cost, a, b, epsilon=1.0).at_least_float32()
        cost, a, b = problem.cost, problem.a, problem.b
        valid = validate(problem)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            solved = list(
                pool.map(lambda row: _run_simplex(valid, row, max_iterations), range(len(cost)))
            )
        f, g, plan = (torch.stack(parts).to(valid.a) for parts in zip(*solved, strict=True))
        row_error = (plan.sum(2) - valid.a).abs().sum(1)
        error = row_error + (plan.sum(1) - valid.b).abs().sum(1)
        value = (plan * valid.exponent).sum((1, 2)).to(cost)
        return Transport.from_potentials(
            valid,
            f,
            g,
            value=attach_slopes(value, (cost, a, b), lambda: (plan.to(cost), f.to(a), g.to(b))),
            plan=plan,
            iterations=torch.zeros(len(cost), dtype=torch.long, device=cost.device),
            error=error,
            converged=error <= TOLERANCE,
        )


def _run_simplex(problem: EntropicProblem, row: int, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return potentials and plan of one problem, solved between the entries that have mass."""
    import ot

    a, b = (side[row].cpu().numpy() for side in (problem.a, problem.b))
    real = np.ix_(a > 0, b > 0)
    cost = np.ascontiguousarray(problem.exponent[row].cpu().numpy()[real])
    real_plan, log = ot.emd(a[a > 0], b[b > 0], cost, numItermax=limit, log=True)
    plan, f, g = np.zeros((len(a), len(b))), np.zeros(len(a)), np.zeros(len(b))
    plan[real], f[a > 0], g[b > 0] = real_plan, log["u"], log["v"]
    return torch.from_numpy(f), torch.from_numpy(g), torch.from_numpy(plan)
