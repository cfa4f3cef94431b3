"""Batches of problems handed to the compiled solver, on as many threads as torch may use.

Every problem is solved by itself, so no result depends on the batch or on the number of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.problems.entropic import validate
from otx.ot.problems.marginals import ROUNDING, require_regularisation
from otx.ot.problems.problem import Problem
from otx.ot.solvers.sinkhorn_kernel import (
    CHECK_EVERY,
    GROWTH,
    OMEGA,
    OMEGA_MOST,
    SAFE_EXPONENT,
    SCALINGS,
)
from otx.ot.solvers.sinkhorn_log import SWEEPS
from otx.ot.stopping import Stopping

LARGEST_NEWTON = 256
"""Columns up to which Newton steps are compiled. From here on, LAPACK takes less time."""
THREADED = 2**20
"""Entries of the costs, with padding, from which more than one thread pays: some 8 ms of work. Threads take 1 ms."""
CHUNKS = 4
"""Parts of a batch per thread, so that a thread with short problems can take more of them."""
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Solved:
    """A batch as the compiled solver leaves it, in float64 but for the plan.

    Attributes:
        value: Values ``[B]`` in the cost's unit.
        error: L1 distance ``[B]``, in mass, of the plan's marginals from those of the optimum.
        mass: Total mass of the plan ``[B]``.
        steps: Iterations and Newton steps ``[B]``.
        rows: Source potentials, derivatives of the value by the masses, and logarithms of the scalings ``[3, B, N]``.
            The first two are in the cost's unit and 0 where there is no mass; the third is -inf there.
        columns: The same of the target ``[3, B, M]``.
        plan: The plans ``[B, N, M]`` in the dtype of the cost, if they were asked for.
    """

    value: Array
    error: Array
    mass: Array
    steps: Array
    rows: Array
    columns: Array
    plan: Array | None


def solve_batch(
    problem: Problem, stopping: Stopping, *, initial: Tensor | None, with_plan: bool
) -> Solved:
    """Solve a batch of problems on the CPU.

    Problems of more than ``LARGEST_NEWTON`` target words get no Newton steps. Those that have not converged are
    returned after fewer than ``max_iterations`` steps.

    Args:
        problem: The problems, in float32 or float64.
        stopping: When to stop working on a problem.
        initial: Target potentials ``[B, M]`` to start from, in the cost's unit. Default: zero.
        with_plan: Compute the plans.

    Returns:
        The state of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index.
    """
    from otx.ot.compiled.kernel import solve_range

    require_regularisation(problem.epsilon, problem.taus)
    cost = problem.cost.detach().numpy()
    batch, n, m = cost.shape
    a, b = _masses(problem.a, (batch, n)), _masses(problem.b, (batch, m))
    start = np.empty((0, m)) if initial is None else _masses(initial, (batch, m))
    rows, columns = np.zeros((3, batch, n)), np.zeros((3, batch, m))
    rows[2], columns[2] = -np.inf, -np.inf
    numbers, steps = np.empty((3, batch)), np.empty(batch, np.int64)
    plan = np.zeros(cost.shape if with_plan else (0, n, m), cost.dtype)
    inputs = *_by_dtype(cost), a, b, start, float(problem.epsilon), problem.taus
    rules = stopping.tolerance, stopping.max_iterations, _RULES
    outputs = rows, columns, numbers, steps, *_by_dtype(plan)

    def run(part: range) -> int:
        ends = part.start, part.stop
        failed: int = solve_range(*inputs, problem.symmetric, *rules, *ends, *outputs)
        return failed

    failed = [index for index in _run(run, batch, cost.size) if index >= 0]
    if failed:
        _raise(problem, min(failed))
    value, error, mass = numbers
    return Solved(value, error, mass, steps, rows, columns, plan if with_plan else None)


_RULES = np.array(
    (
        SAFE_EXPONENT,
        CHECK_EVERY,
        OMEGA,
        OMEGA_MOST,
        GROWTH,
        SCALINGS,
        SWEEPS,
        LARGEST_NEWTON,
        ROUNDING,
    ),
    np.float64,
)


def _run(run: Any, batch: int, entries: int) -> list[int]:
    """Return what ``run`` returns for parts of the batch, on one thread or several."""
    threads = min(torch.get_num_threads(), batch)
    if threads < 2 or entries < THREADED:
        return [run(range(batch))]
    bounds = np.linspace(0, batch, min(CHUNKS * threads, batch) + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, map(range, bounds[:-1], bounds[1:])))


def _masses(tensor: Tensor, shape: tuple[int, int]) -> Array:
    """Return a side's tensor as a contiguous array in float64."""
    if tensor.shape != shape:
        raise ProblemError(
            f"the costs need masses and potentials of shape {list(shape)}, not {list(tensor.shape)}",
            "give costs [B, N, M], masses [B, N] and [B, M], and initial potentials [B, M]",
        )
    return np.ascontiguousarray(tensor.detach().numpy(), np.float64)


def _by_dtype(array: Array) -> tuple[Array, Array]:
    """Return the array as the float32 and the float64 argument of the solver, of which one is empty."""
    if array.dtype == np.float32:
        return array, np.empty((0, 1, 1))
    return np.empty((0, 1, 1), np.float32), array


def _raise(problem: Problem, at: int) -> None:
    """Raise the error that says what is wrong with a problem."""
    cost, a, b = (side[at : at + 1] for side in (problem.cost, problem.a, problem.b))
    validate(
        Problem(cost, a, b, epsilon=problem.epsilon, tau=problem.tau), index=torch.tensor([at])
    )
    raise ProblemError(f"problem {at} has no solution", "look at its costs and masses")
