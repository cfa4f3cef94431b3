"""The Triton kernels: one program solves one problem, from its cost to its value, or pulls a gradient back."""

from __future__ import annotations

import triton
import triton.language as tl

from otx.ot.kernels.scaling import (
    HUGE,
    MOST_RELAXED,
    SHORTEST_WINDOW,
    scale_plan,
    solve_tile,
    sweep,
)
from otx.ot.problems.marginals import ROUNDING

CHUNK = tl.constexpr(32)
"""Number of the vectors' dimensions that are on chip at a time."""
GIVEN, COSINE, DOT, EUCLIDEAN, SQUARED, HALF_SQUARED = (tl.constexpr(code) for code in range(6))
"""Costs: given as matrices, or computed from vectors."""
PAIRS, PAIRS_AND_SIDES, GRID = (tl.constexpr(code) for code in range(3))
"""Problems of a launch: pair by pair; these, then every source against itself, then every target against itself; or
every source against every target."""
MISMATCH = tl.constexpr(ROUNDING)
INFINITY = tl.constexpr(float("inf"))


@triton.jit(do_not_specialize=["n", "m", "count", "limit"])
def solve_problems(
    x: tl.tensor,
    y: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    value: tl.tensor,
    f: tl.tensor,
    g: tl.tensor,
    log_p: tl.tensor,
    log_q: tl.tensor,
    slope_a: tl.tensor,
    slope_b: tl.tensor,
    steps: tl.tensor,
    error: tl.tensor,
    mass: tl.tensor,
    converged: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    d: tl.tensor,
    count: tl.tensor,
    epsilon: tl.float64,
    eps_over_tau_rows: tl.float64,
    eps_over_tau_columns: tl.float64,
    tolerance: tl.float64,
    limit: tl.tensor,
    N: tl.constexpr,
    M: tl.constexpr,
    COST: tl.constexpr,
    PROBLEMS: tl.constexpr,
    MAYBE_SYMMETRIC: tl.constexpr,
) -> None:
    """Solve problems, one per program.

    The iterations run in float32, then in float64 until the float64 error is within the tolerance. A problem that has
    no solution (see ``otx.ot.problems.entropic.validate``) does not converge.

    Args:
        x: Source vectors ``[B, n, d]``, contiguous like all tensors; costs ``[B, n, m]`` if they are given.
        y: Target vectors ``[B, m, d]``, of the dtype of ``x``.
        a: Source masses ``[B, n]``; 0 marks padding.
        b: Target masses ``[B, m]``, of the dtype of ``a``.
        value: Output: dual value of every problem.
        f: Output: source potentials; 0 where there is no mass. A row has ``n`` entries; with ``PAIRS_AND_SIDES`` the
            larger of ``n`` and ``m``, as the rows of all outputs then.
        g: Output: target potentials; a row has ``m`` entries.
        log_p: Output: logarithm of the source scalings; -inf where there is no mass.
        log_q: Output: logarithm of the target scalings.
        slope_a: Output: derivative of the value by the source masses; 0 where there is no mass.
        slope_b: Output: derivative of the value by the target masses.
        steps: Output: iterations of every problem.
        error: Output: L1 error of the plan's columns, its rows being exact.
        mass: Output: total mass of the plan.
        converged: Output: True where the problem was solved.
        n: Number of source words.
        m: Number of target words.
        d: Dimensions of the vectors.
        count: Number of pairs; with ``GRID``, of targets.
        epsilon: Regularisation strength.
        eps_over_tau_rows: epsilon / tau_a.
        eps_over_tau_columns: epsilon / tau_b.
        tolerance: Error at which a problem stops.
        limit: Largest number of iterations, 3 at least.
        N: Rows of the tile, a power of two.
        M: Columns of the tile, a power of two.
        COST: Kind of the costs.
        PROBLEMS: Problems of the launch.
        MAYBE_SYMMETRIC: True with ``PAIRS_AND_SIDES``, and if every pair is a side against itself.
    """
    problem = tl.program_id(0).to(tl.int64)
    left = problem
    right = problem
    row_points, column_points = x, y
    row_masses, column_masses = a, b
    rows, columns = n, m
    width_rows, width_columns = n, m
    symmetric = problem >= 0
    if PROBLEMS == GRID:
        left = problem // count
        right = problem % count
    if PROBLEMS == PAIRS_AND_SIDES:
        left = problem % count
        right = left
        width_rows = tl.maximum(n, m)
        width_columns = width_rows
        symmetric = problem >= count
        if problem // count == 1:
            column_points, column_masses, columns = x, a, n
        if problem // count == 2:
            row_points, row_masses, rows = y, b, m
    i = tl.arange(0, N)
    j = tl.arange(0, M)
    eps = tl.full((), epsilon, tl.float64)
    of_rows = tl.full((), eps_over_tau_rows, tl.float64)
    of_columns = tl.full((), eps_over_tau_columns, tl.float64)
    least = tl.full((), tolerance, tl.float64)
    mass_a, sum_a, bad_a = _masses(row_masses + left * rows, i, rows)
    mass_b, sum_b, bad_b = _masses(column_masses + right * columns, j, columns)
    symmetric = symmetric & (of_rows == of_columns)
    balanced = (of_rows == 0.0) & (of_columns == 0.0)
    total = (sum_a + sum_b) / 2.0
    sound = (bad_a + bad_b == 0) & (sum_a > 0.0) & (sum_b > 0.0)
    sound = sound & ((tl.abs(sum_a - sum_b) <= MISMATCH * total) | (balanced == 0))
    # Two sums in float32 always differ by rounding.
    mass_a = tl.where(balanced, mass_a * (total / sum_a), mass_a)
    mass_b = tl.where(balanced, mass_b * (total / sum_b), mass_b)
    sum_a = tl.where(balanced, total, sum_a)
    sum_b = tl.where(balanced, total, sum_b)
    in_rows = mass_a > 0.0
    in_columns = mass_b > 0.0
    live = in_rows[:, None] & in_columns[None, :]
    log_a = tl.where(in_rows, tl.log(tl.where(in_rows, mass_a, 1.0)), -HUGE)
    log_b = tl.where(in_columns, tl.log(tl.where(in_columns, mass_b, 1.0)), -HUGE)

    if COST == GIVEN:
        at = x + problem * rows * columns + i[:, None] * columns + j[None, :]
        tile = tl.load(at, mask=live, other=0.0)
    else:
        from_rows = row_points + left * rows * d
        from_columns = column_points + right * columns * d
        tile, _, _ = _cost_tile(from_rows, from_columns, in_rows, in_columns, d, N, M, COST)
    infinite = tl.sum(tl.sum(tl.where(tl.abs(tile) < INFINITY, 0, 1), 1), 0)
    sound = sound & (infinite == 0)
    # What has no solution needs no search for one.
    limit = tl.where(sound, limit, 3)

    u, v, count_steps, omega = solve_tile(
        tl.where(live, tile.to(tl.float32) / eps.to(tl.float32), 0.0),
        mass_a.to(tl.float32),
        mass_b.to(tl.float32),
        log_a.to(tl.float32),
        log_b.to(tl.float32),
        of_rows.to(tl.float32),
        of_columns.to(tl.float32),
        least.to(tl.float32),
        limit - limit // 3,
        symmetric,
        MAYBE_SYMMETRIC,
    )

    # float64 from here; costs that are given are read again instead of kept.
    if COST == GIVEN:
        tile = tl.load(at, mask=live, other=0.0)
    exponent = tl.where(live, tile.to(tl.float64) / eps, 0.0)
    v = tl.where(tl.abs(v) < HUGE, v, 0.0).to(tl.float64)
    u = sweep(exponent, log_b, v, of_rows, 1.0, 1)
    plan = tl.exp((log_a + u)[:, None] - exponent + (log_b + v)[None, :])
    u, v, count_steps, missed, _, _, _, _ = scale_plan(
        plan, mass_b, log_a, log_b, u, v, of_rows, of_columns,
        least, limit, count_steps, least * 0.0,
        omega.to(tl.float64), least * 0.0 + MOST_RELAXED, limit * 0 + SHORTEST_WINDOW,
        symmetric, MAYBE_SYMMETRIC,
    )  # fmt: skip

    u = tl.where(in_rows, u, 0.0)
    v = tl.where(in_columns, v, 0.0)
    # Balanced potentials share a constant, chosen so that <a, u> = <b, v>.
    shift = tl.where(balanced, (tl.sum(mass_b * v, 0) - tl.sum(mass_a * u, 0)) / sum_a / 2.0, 0.0)
    u = tl.where(in_rows, u + shift, 0.0)
    v = tl.where(in_columns, v - shift, 0.0)
    kept_u = tl.exp(-of_rows * u)
    kept_v = tl.exp(-of_columns * v)
    soft_u = _soft(of_rows, u, kept_u)
    soft_v = _soft(of_columns, v, kept_v)
    moved = tl.sum(mass_a * kept_u, 0)
    dual = tl.sum(mass_a * soft_u, 0) + tl.sum(mass_b * soft_v, 0) - moved + sum_a * sum_b
    tl.store(value + problem, eps * dual)
    tl.store(mass + problem, moved)
    tl.store(steps + problem, count_steps)
    tl.store(error + problem, missed)
    tl.store(converged + problem, sound & (missed <= least))
    to_rows = problem * width_rows + i
    to_columns = problem * width_columns + j
    tl.store(f + to_rows, eps * u, mask=i < width_rows)
    tl.store(g + to_columns, eps * v, mask=j < width_columns)
    tl.store(log_p + to_rows, tl.where(in_rows, log_a + u, -INFINITY), mask=i < width_rows)
    tl.store(log_q + to_columns, tl.where(in_columns, log_b + v, -INFINITY), mask=j < width_columns)
    slope_u = tl.where(in_rows, eps * (soft_u - kept_u + sum_b), 0.0)
    slope_v = tl.where(in_columns, eps * (soft_v - kept_v + sum_a), 0.0)
    tl.store(slope_a + to_rows, slope_u, mask=i < width_rows)
    tl.store(slope_b + to_columns, slope_v, mask=j < width_columns)


@triton.jit(do_not_specialize=["n", "m"])
def pull_to_costs(
    cost: tl.tensor,
    log_p: tl.tensor,
    log_q: tl.tensor,
    gradient: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    epsilon: tl.float64,
    N: tl.constexpr,
    M: tl.constexpr,
) -> None:
    """Compute the gradient of the costs: the plan times the gradient of the value.

    Args:
        cost: Costs ``[B, n, m]``, contiguous like all tensors. Entries without mass may hold anything.
        log_p: Logarithm of the source scalings ``[B, n]``.
        log_q: Logarithm of the target scalings ``[B, m]``.
        gradient: Gradient of the values ``[B]``.
        out: Output: gradient of the costs ``[B, n, m]``.
        n: Number of source words.
        m: Number of target words.
        epsilon: Regularisation strength.
        N: Rows of the tile, a power of two.
        M: Columns of the tile, a power of two.
    """
    problem = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, N)
    j = tl.arange(0, M)
    rows = tl.load(log_p + problem * n + i, mask=i < n, other=-INFINITY)
    columns = tl.load(log_q + problem * m + j, mask=j < m, other=-INFINITY)
    live = (rows > -INFINITY)[:, None] & (columns > -INFINITY)[None, :]
    at = problem * n * m + i[:, None] * m + j[None, :]
    tile = tl.load(cost + at, mask=live, other=0.0)
    plan = _plan(tile, live, rows, columns, tl.full((), epsilon, tl.float64))
    weight = tl.load(gradient + problem)
    inside = (i < n)[:, None] & (j < m)[None, :]
    tl.store(out + at, tl.where(live, weight * plan, 0.0), mask=inside)


@triton.jit(do_not_specialize=["n", "m", "width_own", "width_other", "itself"])
def pull_to_points(
    own: tl.tensor,
    other: tl.tensor,
    own_log: tl.tensor,
    other_log: tl.tensor,
    gradient: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    d: tl.tensor,
    width_own: tl.tensor,
    width_other: tl.tensor,
    itself: tl.tensor,
    epsilon: tl.float64,
    N: tl.constexpr,
    M: tl.constexpr,
    COST: tl.constexpr,
    WITH_SELF: tl.constexpr,
) -> None:
    """Compute the gradient of one side's points, through their costs to the other side and, if asked, to themselves.

    For all costs it is ``alpha_i x_i - sum_j W_ij y_j``, where W are plans times slopes of the cost.

    Args:
        own: Vectors ``[B, n, d]`` of this side, contiguous like all tensors. Padding may hold anything.
        other: Vectors ``[B, m, d]`` of the other side.
        own_log: Logarithm of this side's scalings, rows of ``width_own``; -inf where there is no mass.
        other_log: Logarithm of the other side's, rows of ``width_other``.
        gradient: Gradient of the values, one of every row.
        out: Output: gradient of ``own``.
        n: Number of words of this side.
        m: Number of words of the other side.
        d: Dimensions of the vectors.
        width_own: Length of the rows of this side's logarithms.
        width_other: Length of the rows of the other side's.
        itself: With ``WITH_SELF``: row of the first problem of this side with itself, in the logarithms and gradients.
        epsilon: Regularisation strength.
        N: Rows of the tile, a power of two of at least ``n``.
        M: Columns of the tile, a power of two of at least ``m``.
        COST: Kind of the costs, not ``GIVEN``.
        WITH_SELF: Add the gradient through this side's problem with itself, in both of its arguments.
    """
    problem = tl.program_id(0).to(tl.int64)
    eps = tl.full((), epsilon, tl.float64)
    i = tl.arange(0, N)
    j = tl.arange(0, M)
    here = own + problem * n * d
    there = other + problem * m * d
    rows = tl.load(own_log + problem * width_own + i, mask=i < n, other=-INFINITY)
    columns = tl.load(other_log + problem * width_other + j, mask=j < m, other=-INFINITY)
    in_rows = rows > -INFINITY
    in_columns = columns > -INFINITY
    tile, of_rows, of_columns = _cost_tile(here, there, in_rows, in_columns, d, N, M, COST)
    live = in_rows[:, None] & in_columns[None, :]
    flow = _plan(tile, live, rows, columns, eps).to(tl.float32)
    flow = flow * tl.load(gradient + problem).to(tl.float32)
    weights, alpha = _slopes(tile, flow, of_rows, of_columns, COST)
    if WITH_SELF:
        k = tl.arange(0, N)
        row = itself + problem
        to_rows = own_log + row * width_own
        to_columns = other_log + row * width_other
        forth = tl.load(to_rows + i, mask=i < n, other=-INFINITY)
        back = tl.load(to_columns + i, mask=i < n, other=-INFINITY)
        forth_columns = tl.load(to_columns + k, mask=k < n, other=-INFINITY)
        back_columns = tl.load(to_rows + k, mask=k < n, other=-INFINITY)
        in_self = back_columns > -INFINITY
        tile, of_rows, of_columns = _cost_tile(here, here, in_rows, in_self, d, N, N, COST)
        live = in_rows[:, None] & in_self[None, :]
        # The costs are symmetric: those of i to j and of j to i are one number.
        flow = _plan(tile, live, forth, forth_columns, eps).to(tl.float32)
        flow += _plan(tile, live, back, back_columns, eps).to(tl.float32)
        flow = flow * tl.load(gradient + row).to(tl.float32)
        self_weights, self_alpha = _slopes(tile, flow, of_rows, of_columns, COST)
        alpha += self_alpha
    for start in range(0, d, CHUNK):
        at = start + tl.arange(0, CHUNK)
        inside = (at < d)[None, :]
        to_own = i[:, None] * d + at[None, :]
        points = tl.load(here + to_own, mask=in_rows[:, None] & inside, other=0.0).to(tl.float32)
        to_other = j[:, None] * d + at[None, :]
        others = tl.load(there + to_other, mask=in_columns[:, None] & inside, other=0.0)
        pull = alpha[:, None] * points
        pull -= tl.dot(weights, others.to(tl.float32), input_precision="ieee")
        if WITH_SELF:
            pull -= tl.dot(self_weights, points, input_precision="ieee")
        tl.store(out + problem * n * d + to_own, pull, mask=(i < n)[:, None] & inside)


@triton.jit
def _masses(at: tl.tensor, k: tl.tensor, length: tl.tensor) -> tuple[tl.tensor, ...]:
    """Return one side's masses in float64, their sum, and how many are negative or not finite."""
    masses = tl.load(at + k, mask=k < length, other=0.0).to(tl.float64)
    good = (masses >= 0.0) & (masses < INFINITY)
    masses = tl.where(good, masses, 0.0)
    return masses, tl.sum(masses, 0), tl.sum(tl.where(good, 0, 1), 0)


@triton.jit
def _soft(eps_over_tau: tl.tensor, potential: tl.tensor, kept: tl.tensor) -> tl.tensor:
    """Return ``otx.ot.problems.marginals.soft_potential``, where ``kept`` is ``exp(-k p)``."""
    small = eps_over_tau * potential
    series = potential * (1.0 - small / 2.0 + small * small / 6.0)
    relaxed = (1.0 - kept) / tl.where(eps_over_tau > 0.0, eps_over_tau, 1.0)
    return tl.where(tl.abs(small) < 1e-5, series, relaxed)


@triton.jit
def _plan(
    tile: tl.tensor, live: tl.tensor, rows: tl.tensor, columns: tl.tensor, eps: tl.tensor
) -> tl.tensor:
    """Return the plan in the dtype of the cost; the exponent, a difference of large numbers, is always float64."""
    exponent = tl.where(live, rows[:, None] + columns[None, :], 0.0) - tile.to(tl.float64) / eps
    return tl.where(live, tl.exp(exponent.to(tile.dtype)), 0.0)


@triton.jit
def _cost_tile(
    x: tl.tensor,
    y: tl.tensor,
    in_rows: tl.tensor,
    in_columns: tl.tensor,
    d: tl.tensor,
    N: tl.constexpr,
    M: tl.constexpr,
    COST: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Compute costs of the vectors ``x [n, d]`` and ``y [m, d]``; also return their norms under ``COSINE``.

    A zero vector is at a cosine cost of 1 from everything, and its norm is infinite.
    """
    i = tl.arange(0, N)
    j = tl.arange(0, M)
    costs = tl.zeros((N, M), dtype=tl.float32)
    of_x = tl.zeros((N,), dtype=tl.float32)
    of_y = tl.zeros((M,), dtype=tl.float32)
    if (COST == COSINE) | (COST == DOT):
        for start in range(0, d, CHUNK):
            at = start + tl.arange(0, CHUNK)
            rows_inside = in_rows[:, None] & (at < d)[None, :]
            columns_inside = (at < d)[:, None] & in_columns[None, :]
            rows = tl.load(x + i[:, None] * d + at[None, :], mask=rows_inside, other=0.0)
            columns = tl.load(y + j[None, :] * d + at[:, None], mask=columns_inside, other=0.0)
            costs = tl.dot(rows, columns, costs, input_precision="ieee")
            if COST == COSINE:
                of_x += tl.sum(rows.to(tl.float32) * rows.to(tl.float32), 1)
                of_y += tl.sum(columns.to(tl.float32) * columns.to(tl.float32), 0)
        if COST == DOT:
            costs = -costs
        else:
            of_x = tl.where(of_x == 0.0, INFINITY, tl.sqrt(of_x))
            of_y = tl.where(of_y == 0.0, INFINITY, tl.sqrt(of_y))
            costs = 1.0 - costs / of_x[:, None] / of_y[None, :]
    else:
        # Differences and not norms and products, which in float32 put equal words 3e-4 of their norm apart.
        for k in range(0, d):
            rows = tl.load(x + i * d + k, mask=in_rows, other=0.0).to(tl.float32)
            columns = tl.load(y + j * d + k, mask=in_columns, other=0.0).to(tl.float32)
            difference = rows[:, None] - columns[None, :]
            costs += difference * difference
        if COST == EUCLIDEAN:
            costs = tl.sqrt(costs)
        if COST == HALF_SQUARED:
            costs = costs / 2.0
    return costs, of_x, of_y


@triton.jit
def _slopes(
    tile: tl.tensor, flow: tl.tensor, of_rows: tl.tensor, of_columns: tl.tensor, COST: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """Return the W ``[N, M]`` and alpha ``[N]`` of ``pull_to_points`` for a plan times its gradient."""
    if COST == COSINE:
        # Coincides with the gradient of a cost of normalised vectors, which ends at a vector of zeros.
        return (
            flow / of_rows[:, None] / of_columns[None, :],
            tl.sum(flow * (1.0 - tile), 1) / of_rows / of_rows,
        )
    elif COST == DOT:
        return flow, of_rows
    elif COST == EUCLIDEAN:
        weights = tl.where(tile > 0.0, flow / tl.where(tile > 0.0, tile, 1.0), 0.0)
        return weights, tl.sum(weights, 1)
    elif COST == SQUARED:
        return 2.0 * flow, 2.0 * tl.sum(flow, 1)
    else:
        return flow, tl.sum(flow, 1)
