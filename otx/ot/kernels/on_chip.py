"""Transport problems handed to the kernels, a batch or all pairs at a time.

Nothing here waits for the device, so nothing is checked that only the device knows. A side without mass or a cost that
is not finite shows as an error of NaN. Sides of different mass, where both marginals are constraints, show as an error
that stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.kernels import LARGEST_TILE, fits, is_available, tile_side
from otx.ot.problems.entropic import EntropicProblem
from otx.ot.problems.problem import PointCloudProblem
from otx.ot.stopping import Stopping

MULTIPLIED = (torch.float32, torch.bfloat16, torch.float16)
"""Dtypes that the kernel multiplies on a GPU. Triton's interpreter reads the bits of bfloat16 as integers."""
DEFAULT = Stopping(tolerance=1e-4, max_iterations=1_000)
"""The rule of ``solve_cosine``: float32 does not see smaller errors."""


@dataclass(frozen=True, eq=False)
class OnChip:
    """Problems solved on chip, in float32.

    Exponents of hundreds are known to float32 to 3e-5.

    Attributes:
        u: Source potentials over epsilon ``[..., N]``; 0 where there is no mass.
        v: Target potentials over epsilon ``[..., M]``; 0 where there is no mass.
        steps: Iterations ``[...]``.
        error: L1 distance ``[...]``, in mass, of the plan's column sums from those of the optimum, its row sums being
            exact, as float32 sees it.
    """

    u: Tensor
    v: Tensor
    steps: Tensor
    error: Tensor


def solve_on_chip(problem: EntropicProblem, stopping: Stopping) -> OnChip:
    """Solve a batch of problems whose costs are given.

    Args:
        problem: The problems, in any dtype; the kernel computes in float32.
        stopping: Tolerance and largest number of iterations, 2 at least.

    Returns:
        The potentials, iterations and errors ``[B, ...]``.

    Raises:
        ProblemError: If the problems do not fit on chip or no kernel runs on their device.
    """
    batch, n, m = problem.exponent.shape
    _require_kernel(problem.exponent, n, m)
    from otx.ot.kernels.entries import solve_from_costs

    solved = _empty((batch,), n, m, problem.exponent)
    inputs = (
        problem.exponent,
        problem.a,
        problem.b,
        problem.eps_over_tau_rows,
        problem.eps_over_tau_columns,
    )
    arguments = (
        *(tensor.contiguous() for tensor in inputs),
        *(solved.u, solved.v, solved.steps, solved.error),
        *(n, m, stopping.tolerance, max(stopping.max_iterations, 2)),
    )
    tile = {"N": tile_side(n), "M": tile_side(m)}
    _launch(solve_from_costs, batch, problem.exponent, arguments, **tile)
    return solved


def solve_cosine(
    problem: PointCloudProblem, stopping: Stopping = DEFAULT, *, pairwise: bool = False
) -> OnChip:
    """Solve problems under the cosine cost, which is never written to memory.

    Args:
        problem: Vectors ``x [B, N, D]`` and ``y [B, M, D]`` with their masses; ``cost`` must be ``cosine``. Vectors in
            float32, bfloat16 or float16 are used as they are; anything else is converted to float32. No gradient.
        stopping: Tolerance and largest number of iterations, 2 at least.
        pairwise: Solve every x against every y, whose numbers may differ, instead of pair by pair.

    Returns:
        The potentials, iterations and errors ``[B, ...]``, or with ``pairwise`` ``[S, T, ...]``.

    Raises:
        ProblemError: If the problems do not fit on chip or no kernel runs on their device.
    """
    x, y = problem.x, problem.y
    (left, n, d), (right, m, _) = x.shape, y.shape
    _require_kernel(x, n, m)
    from otx.ot.kernels.entries import solve_from_cosines

    native = x.is_cuda and x.dtype == y.dtype and x.dtype in MULTIPLIED
    dtype = x.dtype if native else torch.float32
    epsilon, (tau_a, tau_b) = problem.epsilon, problem.taus
    solved = _empty((left, right) if pairwise else (left,), n, m, x)
    arguments = (
        *(vectors.detach().to(dtype).contiguous() for vectors in (x, y)),
        *(masses.detach().float().contiguous() for masses in (problem.a, problem.b)),
        *(solved.u, solved.v, solved.steps, solved.error),
        *(n, m, d, right, 1 / epsilon, epsilon / tau_a, epsilon / tau_b),
        *(stopping.tolerance, max(stopping.max_iterations, 2)),
    )
    tile = {"N": tile_side(n), "M": tile_side(m)}
    _launch(solve_from_cosines, solved.steps.numel(), x, arguments, **tile, PAIRED=not pairwise)
    return solved


def _empty(shape: tuple[int, ...], n: int, m: int, like: Tensor) -> OnChip:
    def empty(*more: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(*shape, *more, dtype=dtype, device=like.device)

    return OnChip(empty(n), empty(m), empty(dtype=torch.int32), empty())


def _launch(
    kernel: Any, programs: int, like: Tensor, arguments: tuple[Any, ...], **constants: int
) -> None:
    if programs:
        # 16 entries of the tile per thread, as far as there may be so many threads.
        warps = min(16, max(1, constants["N"] * constants["M"] // 512))
        with torch.cuda.device(like.get_device()):
            kernel[(programs,)](*arguments, **constants, num_warps=warps)


def _require_kernel(tensor: Tensor, n: int, m: int) -> None:
    if not is_available(tensor):
        raise ProblemError(
            f"no kernel runs on {tensor.device.type}", "use an NVIDIA GPU, with triton installed"
        )
    if not fits(n, m):
        raise ProblemError(
            f"{n} by {m} words do not fit on chip", f"a tile has {LARGEST_TILE} entries at most"
        )
