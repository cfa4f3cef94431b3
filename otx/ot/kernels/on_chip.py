"""Transport problems handed to the kernels, a batch or a grid at a time.

Nothing here waits for the device, so nothing is checked that only the device knows: a side without
mass or a cost that is not finite shows as an error of NaN, and sides of different mass, where both
marginals are constrained, as an error that stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.kernels import LARGEST_TILE, available, fits, side
from otx.ot.problems.entropic import EntropicProblem
from otx.ot.problems.marginals import BALANCED, Taus

MULTIPLIED = (torch.float32, torch.bfloat16, torch.float16)
"""What the kernel multiplies on a GPU; Triton's interpreter takes the bits of bfloat16 for integers."""


@dataclass(frozen=True, eq=False)
class OnChip:
    """Solved problems, float32: potentials over epsilon, 0 where there is no mass.

    ``u [..., N]``, ``v [..., M]``, the iterations ``steps [...]`` and the ``error [...]``: the L1
    distance, in mass, of the plan's column sums from those of the optimum, its row sums being
    exact, as float32 sees it. Exponents of hundreds are known to it to 3e-5.
    """

    u: Tensor
    v: Tensor
    steps: Tensor
    error: Tensor


def solve_on_chip(problem: EntropicProblem, tolerance: float, limit: int) -> OnChip:
    """Solve a batch, each problem to ``tolerance`` or for ``limit`` iterations (2 at least).

    The exponent's dtype is any; the computation is in float32. Raises ProblemError for problems
    that do not fit and where the kernels do not run.
    """
    batch, n, m = problem.exponent.shape
    _refuse(problem.exponent, n, m)
    from otx.ot.kernels.entries import given

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
        *(n, m, tolerance, max(limit, 2)),
    )
    _launch(given, batch, problem.exponent, arguments, N=side(n), M=side(m))
    return solved


def solve_cosine(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tau: Taus = BALANCED,
    tolerance: float = 1e-4,
    limit: int = 1_000,
    pairwise: bool = False,
) -> OnChip:
    """Transport under the cosine cost ``1 - cos``, which is never written to memory.

    ``x [B, N, D]`` and ``y [B, M, D]`` (float32, bfloat16 or float16; anything else is brought to
    float32) with masses ``a [B, N]`` and ``b [B, M]``, 0 at padding. Pair by pair, results
    ``[B, ...]``; or, with ``grid``, every x against every y, of which there may be another number:
    results ``[B, B', ...]``. ``epsilon`` and ``tau`` are in the cost's units. No gradient.

    Raises ProblemError for problems that do not fit and where the kernels do not run.
    """
    (left, n, d), (right, m, _) = x.shape, y.shape
    _refuse(x, n, m)
    from otx.ot.kernels.entries import cosine

    native = x.is_cuda and x.dtype == y.dtype and x.dtype in MULTIPLIED
    dtype = x.dtype if native else torch.float32
    solved = _empty((left, right) if pairwise else (left,), n, m, x)
    arguments = (
        *(vectors.detach().to(dtype).contiguous() for vectors in (x, y)),
        *(masses.detach().float().contiguous() for masses in (a, b)),
        *(solved.u, solved.v, solved.steps, solved.error),
        *(n, m, d, right, 1 / epsilon, epsilon / tau[0], epsilon / tau[1]),
        *(tolerance, max(limit, 2)),
    )
    count = solved.steps.numel()
    _launch(cosine, count, x, arguments, N=side(n), M=side(m), PAIRED=not pairwise)
    return solved


def _empty(shape: tuple[int, ...], n: int, m: int, like: Tensor) -> OnChip:
    def empty(*more: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(*shape, *more, dtype=dtype, device=like.device)

    return OnChip(empty(n), empty(m), empty(dtype=torch.int32), empty())


def _launch(
    kernel: Any, programs: int, like: Tensor, arguments: tuple[Any, ...], **tile: int
) -> None:
    if programs:
        # 16 entries of the tile to a thread, where there may be so many threads.
        warps = min(16, max(1, tile["N"] * tile["M"] // 512))
        with torch.cuda.device(like.get_device()):
            kernel[(programs,)](*arguments, **tile, num_warps=warps)


def _refuse(tensor: Tensor, n: int, m: int) -> None:
    if not available(tensor):
        raise ProblemError(
            f"no kernel runs on {tensor.device.type}", "use an NVIDIA GPU, with triton installed"
        )
    if not fits(n, m):
        raise ProblemError(
            f"{n} by {m} words do not fit on chip", f"a tile has {LARGEST_TILE} entries at most"
        )
