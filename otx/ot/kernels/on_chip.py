"""Transport problems handed to the kernels, and gradients pulled back by them.

Nothing here waits for the device, and nothing is checked: a problem without a solution is one that does not converge.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.costs.ground import (
    CostFunction,
    cosine,
    dot,
    euclidean,
    half_squared_euclidean,
    squared_euclidean,
)
from otx.ot.kernels import LARGEST_TILE, fits, is_available, tile_side
from otx.ot.problems.problem import PointCloudProblem, Problem
from otx.ot.stopping import Stopping

FEWEST_ITERATIONS = 3
"""Smallest limit of iterations that a kernel keeps: a sweep, and an iteration in each precision."""
COST_CODES: dict[CostFunction, int] = {
    cosine: 1,
    dot: 2,
    euclidean: 3,
    squared_euclidean: 4,
    half_squared_euclidean: 5,
}
"""Costs that the kernels compute from vectors, with their codes in ``entries``."""
_POINTS = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, eq=False)
class OnChip:
    """P problems solved on chip; of three kinds ``[3, B]`` in place of ``[P]`` with ``solve_points(sides=True)``.

    ``value``, ``f``, ``g``, ``error`` and ``mass`` have the dtype of the result, the logarithms and slopes float64.

    Attributes:
        value: Dual value ``[P]``.
        f: Source potentials ``[P, N]``, in the cost's unit; 0 where there is no mass.
        g: Target potentials ``[P, M]``.
        log_p: Logarithm of the plan's source scalings ``[P, N]``; -inf where there is no mass.
        log_q: Logarithm of the plan's target scalings ``[P, M]``.
        slope_a: Derivative of the value by the source masses ``[P, N]``.
        slope_b: Derivative of the value by the target masses ``[P, M]``.
        iterations: Iterations ``[P]``.
        error: L1 distance ``[P]``, in mass and as float64 sees it, of the plan's column sums from those of the
            optimum, its row sums being exact.
        mass: Total mass of the plan ``[P]``.
        converged: True ``[P]`` for problems that have a solution and whose error is within the tolerance.
    """

    value: Tensor
    f: Tensor
    g: Tensor
    log_p: Tensor
    log_q: Tensor
    slope_a: Tensor
    slope_b: Tensor
    iterations: Tensor
    error: Tensor
    mass: Tensor
    converged: Tensor

    def select(self, kind: int) -> OnChip:
        """Return the problems of one kind, of those that ``solve_points`` solved with ``sides``.

        Args:
            kind: 0 for those between the sides, 1 for the source's with itself, 2 for the target's.

        Returns:
            Its part of every tensor, which shares memory with these.
        """
        return OnChip(*(getattr(self, field.name)[kind] for field in fields(self)))


def solve_costs(problem: Problem, stopping: Stopping) -> OnChip:
    """Solve a batch of problems whose costs are given.

    Args:
        problem: The problems, in float32 or float64. No gradient.
        stopping: Tolerance and largest number of iterations, ``FEWEST_ITERATIONS`` at least.

    Returns:
        The solution, in the dtype of the cost.

    Raises:
        ProblemError: If the problems do not fit on chip or no kernel runs on their device.
    """
    cost = problem.cost.contiguous()
    count, n, m = cost.shape
    solved = _empty((count,), n, m, cost)
    inputs = (cost, cost, *_masses(problem.a, problem.b))
    _solve(inputs, solved, (n, m, 1, count), problem, stopping, {"COST": 0, "PROBLEMS": 0})
    return solved


def solve_points(
    problem: PointCloudProblem, stopping: Stopping, *, sides: bool = False, grid: bool = False
) -> OnChip:
    """Solve problems between points, whose costs are never written to memory.

    Args:
        problem: Vectors ``x [B, N, D]`` and ``y [B, M, D]`` with their masses, and a cost of ``COST_CODES``. Vectors in
            float32, bfloat16 or float16 are used as they are; anything else is converted to float32. No gradient.
        stopping: Tolerance and largest number of iterations, ``FEWEST_ITERATIONS`` at least.
        sides: Also solve every x against itself, and every y against itself. The solution then has three kinds, whose
            rows all have the length of the longer side.
        grid: Solve every x against every y, whose numbers may differ, instead of pair by pair.

    Returns:
        The solution, in float32.

    Raises:
        ProblemError: If the problems do not fit on chip or no kernel runs on their device.
    """
    x, y = vectors = _vectors(problem)
    (left, n, d), (right, m, _) = x.shape, y.shape
    shape = (3, left) if sides else (left * right,) if grid else (left,)
    rows, columns = (max(n, m),) * 2 if sides else (n, m)
    solved = _empty(shape, rows, columns, x)
    inputs = (*vectors, *_masses(problem.a, problem.b))
    codes = {"COST": COST_CODES[problem.cost], "PROBLEMS": 1 if sides else 2 if grid else 0}
    _solve(inputs, solved, (n, m, d, right), problem, stopping, codes)
    return solved


def pull_costs(problem: Problem, solved: OnChip, gradient: Tensor) -> Tensor:
    """Return the gradient of the costs.

    Args:
        problem: The problems.
        solved: Their solution.
        gradient: Gradient of the values ``[B]``.

    Returns:
        The plans times the gradient ``[B, N, M]``, in the dtype of the cost.
    """
    cost = problem.cost.contiguous()
    count, n, m = cost.shape
    out = torch.empty_like(cost)
    from otx.ot.kernels.entries import pull_to_costs

    arguments = (cost, solved.log_p, solved.log_q, gradient.contiguous(), out, n, m)
    tile = {"N": tile_side(n), "M": tile_side(m)}
    _launch(pull_to_costs, count, cost, (*arguments, problem.epsilon), **tile)
    return out


def pull_points(
    problem: PointCloudProblem, solved: OnChip, gradient: Tensor, *, sides: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the gradient of both sides' points.

    Args:
        problem: The problems, pair by pair.
        solved: Their solution by ``solve_points``.
        gradient: Gradient of the values, in their shape.
        sides: True if the sides' problems with themselves were solved, too.

    Returns:
        The gradients ``[B, N, D]`` and ``[B, M, D]``, in the dtypes of the points.
    """
    x, y = _vectors(problem)
    from otx.ot.kernels.entries import pull_to_points

    gradient = gradient.contiguous()
    pulls = []
    for side, (own, other) in enumerate(((x, y), (y, x))):
        logs = (solved.log_q, solved.log_p) if side else (solved.log_p, solved.log_q)
        (count, n, d), m = own.shape, other.shape[1]
        out = torch.empty_like(own)
        widths = logs[0].shape[-1], logs[1].shape[-1]
        arguments = (own, other, *logs, gradient, out, n, m, d, *widths, (1 + side) * count)
        tile = {"N": tile_side(n), "M": tile_side(m)}
        if sides:
            tile = dict.fromkeys(tile, max(tile.values()))
        codes = {"COST": COST_CODES[problem.cost], "WITH_SELF": sides}
        _launch(pull_to_points, count, own, (*arguments, problem.epsilon), **tile, **codes)
        pulls.append(out)
    return pulls[0].to(problem.x), pulls[1].to(problem.y)


def _vectors(problem: PointCloudProblem) -> tuple[Tensor, Tensor]:
    x, y = problem.x, problem.y
    # Triton's interpreter reads the bits of bfloat16 as integers.
    native = x.is_cuda and x.dtype == y.dtype and x.dtype in _POINTS
    dtype = x.dtype if native else torch.float32
    return x.to(dtype).contiguous(), y.to(dtype).contiguous()


def _masses(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    dtype = a.dtype if a.dtype == b.dtype and a.dtype == torch.float32 else torch.float64
    return a.to(dtype).contiguous(), b.to(dtype).contiguous()


def _empty(problems: tuple[int, ...], n: int, m: int, like: Tensor) -> OnChip:
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32

    def empty(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.empty(*problems, *shape, dtype=dtype, device=like.device)

    def exact(*shape: int) -> Tensor:
        return empty(*shape, dtype=torch.float64)

    return OnChip(
        value=empty(),
        f=empty(n),
        g=empty(m),
        log_p=exact(n),
        log_q=exact(m),
        slope_a=exact(n),
        slope_b=exact(m),
        iterations=empty(dtype=torch.long),
        error=empty(),
        mass=empty(),
        converged=empty(dtype=torch.bool),
    )


def _solve(
    inputs: tuple[Tensor, ...],
    solved: OnChip,
    sizes: tuple[int, int, int, int],
    problem: Problem | PointCloudProblem,
    stopping: Stopping,
    codes: dict[str, int],
) -> None:
    n, m = solved.f.shape[-1], solved.g.shape[-1]
    if not is_available(inputs[0]):
        raise ProblemError(
            f"no kernel runs on {inputs[0].device.type}", "use an NVIDIA GPU, with triton installed"
        )
    if not fits(n, m):
        raise ProblemError(
            f"{n} by {m} words do not fit on chip", f"a tile has {LARGEST_TILE} entries at most"
        )
    from otx.ot.kernels.entries import solve_problems

    epsilon, (tau_a, tau_b) = problem.epsilon, problem.taus
    arguments = (
        *inputs,
        *(getattr(solved, field.name) for field in fields(solved)),
        *sizes,
        *(float(epsilon), epsilon / tau_a, epsilon / tau_b, float(stopping.tolerance)),
        max(stopping.max_iterations, FEWEST_ITERATIONS),
    )
    tile = {"N": tile_side(n), "M": tile_side(m)}
    codes["MAYBE_SYMMETRIC"] = problem.symmetric or codes["PROBLEMS"] == 1
    _launch(solve_problems, solved.value.numel(), inputs[0], arguments, **tile, **codes)


def _launch(
    kernel: Any, programs: int, like: Tensor, arguments: tuple[Any, ...], **constants: int
) -> None:
    if programs:
        # 8 entries of the tile per thread, in float64 as many bytes as 16 in float32, up to 16 warps.
        warps = min(16, max(1, constants["N"] * constants["M"] // 256))
        with torch.cuda.device(like.get_device()):
            kernel[(programs,)](*arguments, **constants, num_warps=warps)
