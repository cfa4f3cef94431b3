"""The Triton kernels: one program holds one problem, from its cost to its potentials."""

from __future__ import annotations

import triton
import triton.language as tl

from otx.ot.kernels.scaling import solve_tile

CHUNK = tl.constexpr(32)
"""Number of the vectors' dimensions that are on chip at a time."""


@triton.jit(do_not_specialize=["n", "m", "limit"])
def solve_from_costs(
    exponent: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    eps_over_tau_rows: tl.tensor,
    eps_over_tau_columns: tl.tensor,
    u: tl.tensor,
    v: tl.tensor,
    steps: tl.tensor,
    error: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    tolerance: tl.tensor,
    limit: tl.tensor,
    N: tl.constexpr,
    M: tl.constexpr,
) -> None:
    """Solve problems whose costs are given, one per program.

    Args:
        exponent: Costs over epsilon ``[B, n, m]``, contiguous like all tensors.
        a: Source masses ``[B, n]``.
        b: Target masses ``[B, m]``.
        eps_over_tau_rows: epsilon / tau_a ``[B]``.
        eps_over_tau_columns: epsilon / tau_b ``[B]``.
        u: Output: source potentials over epsilon ``[B, n]``; 0 where there is no mass.
        v: Output: target potentials over epsilon ``[B, m]``; 0 where there is no mass.
        steps: Output: iterations ``[B]``.
        error: Output: L1 error of the columns ``[B]``.
        n: Number of source words.
        m: Number of target words.
        tolerance: Error at which a problem stops.
        limit: Largest number of iterations.
        N: Rows of the tile, a power of two.
        M: Columns of the tile, a power of two.
    """
    problem = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, N)
    j = tl.arange(0, M)
    inside = (i < n)[:, None] & (j < m)[None, :]
    at = exponent + problem * n * m + i[:, None] * m + j[None, :]
    tile = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    mass_a = tl.load(a + problem * n + i, mask=i < n, other=0.0).to(tl.float32)
    mass_b = tl.load(b + problem * m + j, mask=j < m, other=0.0).to(tl.float32)
    of_rows = tl.load(eps_over_tau_rows + problem).to(tl.float32)
    of_columns = tl.load(eps_over_tau_columns + problem).to(tl.float32)
    best_u, best_v, count, missed = solve_tile(
        tile, mass_a, mass_b, of_rows, of_columns, tolerance, limit
    )
    tl.store(u + problem * n + i, tl.where(mass_a > 0, best_u, 0.0), mask=i < n)
    tl.store(v + problem * m + j, tl.where(mass_b > 0, best_v, 0.0), mask=j < m)
    tl.store(steps + problem, count)
    tl.store(error + problem, missed)


@triton.jit(do_not_specialize=["n", "m", "d", "columns", "limit"])
def solve_from_cosines(
    x: tl.tensor,
    y: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    u: tl.tensor,
    v: tl.tensor,
    steps: tl.tensor,
    error: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    d: tl.tensor,
    columns: tl.tensor,
    inverse_epsilon: tl.tensor,
    eps_over_tau_rows: tl.tensor,
    eps_over_tau_columns: tl.tensor,
    tolerance: tl.tensor,
    limit: tl.tensor,
    N: tl.constexpr,
    M: tl.constexpr,
    PAIRED: tl.constexpr,
) -> None:
    """Solve problems under the cosine cost, one per program.

    Args:
        x: Source vectors ``[B, n, d]``, contiguous like all tensors.
        y: Target vectors ``[B, m, d]``, or ``[columns, m, d]`` if not paired.
        a: Source masses ``[B, n]``.
        b: Target masses, one row per target.
        u: Output: source potentials over epsilon, ``n`` per problem; 0 where there is no mass.
        v: Output: target potentials over epsilon, ``m`` per problem; 0 where there is no mass.
        steps: Output: iterations of every problem.
        error: Output: L1 error of the columns of every problem.
        n: Number of source words.
        m: Number of target words.
        d: Dimensions of the vectors.
        columns: Number of targets.
        inverse_epsilon: 1 / epsilon.
        eps_over_tau_rows: epsilon / tau_a.
        eps_over_tau_columns: epsilon / tau_b.
        tolerance: Error at which a problem stops.
        limit: Largest number of iterations.
        N: Rows of the tile, a power of two.
        M: Columns of the tile, a power of two.
        PAIRED: Solve pair by pair; otherwise each source against every target.
    """
    problem = tl.program_id(0).to(tl.int64)
    left = problem
    right = problem
    if not PAIRED:
        left = problem // columns
        right = problem % columns
    i = tl.arange(0, N)
    j = tl.arange(0, M)
    tile = _cosine_tile(x + left * n * d, y + right * m * d, n, m, d, N, M) * inverse_epsilon
    mass_a = tl.load(a + left * n + i, mask=i < n, other=0.0).to(tl.float32)
    mass_b = tl.load(b + right * m + j, mask=j < m, other=0.0).to(tl.float32)
    best_u, best_v, count, missed = solve_tile(
        tile, mass_a, mass_b, eps_over_tau_rows, eps_over_tau_columns, tolerance, limit
    )
    tl.store(u + problem * n + i, tl.where(mass_a > 0, best_u, 0.0), mask=i < n)
    tl.store(v + problem * m + j, tl.where(mass_b > 0, best_v, 0.0), mask=j < m)
    tl.store(steps + problem, count)
    tl.store(error + problem, missed)


@triton.jit
def _cosine_tile(
    x: tl.tensor,
    y: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    d: tl.tensor,
    N: tl.constexpr,
    M: tl.constexpr,
) -> tl.tensor:
    """Compute ``1 - cos`` of the vectors ``x [n, d]`` and ``y [m, d]``; a zero vector is at 1 from everything."""
    i = tl.arange(0, N)
    j = tl.arange(0, M)
    k = tl.arange(0, CHUNK)
    products = tl.zeros((N, M), dtype=tl.float32)
    of_x = tl.zeros((N,), dtype=tl.float32)
    of_y = tl.zeros((M,), dtype=tl.float32)
    for start in range(0, d, CHUNK):
        at = start + k
        rows_inside = (i < n)[:, None] & (at < d)[None, :]
        columns_inside = (at < d)[:, None] & (j < m)[None, :]
        rows = tl.load(x + i[:, None] * d + at[None, :], mask=rows_inside, other=0.0)
        columns = tl.load(y + j[None, :] * d + at[:, None], mask=columns_inside, other=0.0)
        products = tl.dot(rows, columns, products, input_precision="ieee")
        of_x += tl.sum(rows.to(tl.float32) * rows.to(tl.float32), 1)
        of_y += tl.sum(columns.to(tl.float32) * columns.to(tl.float32), 0)
    of_x = tl.where(of_x == 0.0, 1.0, of_x)
    of_y = tl.where(of_y == 0.0, 1.0, of_y)
    return 1.0 - products / (tl.sqrt(of_x)[:, None] * tl.sqrt(of_y)[None, :])
