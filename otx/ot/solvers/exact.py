"""Exact transport, without regularisation: for inspection, labels and tests, not for training."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from otx.ot.precision import at_least_float32, no_autocast
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.transport import Transport, envelope

TOLERANCE = 1e-6


def exact_transport(
    cost: Tensor, a: Tensor, b: Tensor, *, max_iterations: int = 1_000_000
) -> Transport:
    """``min <P, C>`` over plans P >= 0 with P 1 = a and P^T 1 = b, by POT's network simplex.

    ``cost [B, N, M]``, ``a [B, N]`` and ``b [B, M]`` as for ``sinkhorn``. The problems are solved on the
    CPU in float64, several at a time. Where several plans are optimal the one returned is a vertex;
    ``value``'s gradient is a subgradient then: the plan by the cost, the potentials by the masses.
    ``iterations`` is 0: the simplex does not tell. ``converged`` is False for a problem that the simplex
    gave up after ``max_iterations``.

    Raises ProblemError, naming the problem, as ``otx.ot.problems.entropic.validate`` says.
    """
    with no_autocast(cost), warnings.catch_warnings():
        # What POT would warn of stands in ``converged`` and ``marginal_error``.
        warnings.simplefilter("ignore")
        cost, a, b = at_least_float32(cost), at_least_float32(a), at_least_float32(b)
        problem = validate(cost, a, b, epsilon=1.0)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            solved = list(
                pool.map(lambda row: _simplex(problem, row, max_iterations), range(len(cost)))
            )
        f, g, plan = (torch.stack(parts).to(problem.a) for parts in zip(*solved, strict=True))
        row_error = (plan.sum(2) - problem.a).abs().sum(1)
        error = row_error + (plan.sum(1) - problem.b).abs().sum(1)
        value = (plan * problem.exponent).sum((1, 2)).to(cost)
        known = plan.to(cost)
        return Transport(
            value=envelope(value, (cost, a, b), lambda: (known, f.to(a), g.to(b))),
            f=f.to(cost),
            g=g.to(cost),
            entries=lambda: known,
            iterations=torch.zeros(len(cost), dtype=torch.long, device=cost.device),
            marginal_error=error.to(cost),
            converged=error <= TOLERANCE,
            mass=plan.sum((1, 2)).to(cost),
        )


def _simplex(problem: EntropicProblem, row: int, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Potentials and plan of one problem, between the entries that have mass."""
    import ot

    a, b = (side[row].cpu().numpy() for side in (problem.a, problem.b))
    real = np.ix_(a > 0, b > 0)
    cost = np.ascontiguousarray(problem.exponent[row].cpu().numpy()[real])
    found, log = ot.emd(a[a > 0], b[b > 0], cost, numItermax=limit, log=True)
    plan, f, g = np.zeros((len(a), len(b))), np.zeros(len(a)), np.zeros(len(b))
    plan[real], f[a > 0], g[b > 0] = found, log["u"], log["v"]
    return torch.from_numpy(f), torch.from_numpy(g), torch.from_numpy(plan)
