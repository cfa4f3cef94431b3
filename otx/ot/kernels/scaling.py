"""The iterations that solve one small transport problem on chip, shared by all kernels.

They are Sinkhorn's on the plan itself, "kernel domain with absorption". Potentials are kept as ``u + log_p`` and
``v + log_q``, and ``plan`` is that of u and v, so that an iteration multiplies and adds over the tile but takes
exponentials of its edges only. A scaling that has grown too far is absorbed: the tile is computed anew after a sweep
in the log domain, which cannot overflow. The first sweeps cool, as those of ``otx.ot.solvers.sinkhorn_log``.

Iterations are over-relaxed. Near the solution Sinkhorn is Gauss-Seidel's method on two blocks, whose best relaxation
Young's theory gives from its rate. The rate is estimated from the errors of successive windows of iterations; where the
error grew, the next window is plain and twice as long. The iteration that stops is always plain. A side against itself
is not over-relaxed but averaged.

Tiles are ``[N, M]`` and edges ``[N]`` or ``[M]``, in the units of ``EntropicProblem``. ``solve_tile`` is made for
float32; ``scale_plan`` goes on in float64 from where float32 sees no error.

References:
    Schmitzer (2019), "Stabilized sparse scaling algorithms for entropy regularized transport problems".
    https://arxiv.org/abs/1610.06519
    Thibault et al. (2021), "Overrelaxed Sinkhorn-Knopp Algorithm for Regularized Optimal Transport".
    https://arxiv.org/abs/1711.01851
    Lehmann et al. (2022), "A note on overrelaxation in the Sinkhorn algorithm". https://arxiv.org/abs/2012.12562
"""

from __future__ import annotations

import triton
import triton.language as tl

COOLING = tl.constexpr(1.6)
"""Factor by which the temperature falls after each of the first sweeps."""
REACH = tl.constexpr(30.0)
"""Logarithm of a scaling at which it is absorbed: float32 has then lost less than e^-28 of the tile."""
SHORTEST_WINDOW = tl.constexpr(8)
"""Fewest iterations between two estimates of the rate: errors under over-relaxation fall in waves."""
LONGEST_WINDOW = tl.constexpr(64)
"""Most iterations between two estimates of the rate."""
MOST_RELAXED = tl.constexpr(1.98)
"""Largest relaxation."""
TINY = tl.constexpr(1e-37)
HUGE = tl.constexpr(1e30)


@triton.jit
def solve_tile(
    exponent: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    log_a: tl.tensor,
    log_b: tl.tensor,
    eps_over_tau_rows: tl.tensor,
    eps_over_tau_columns: tl.tensor,
    tolerance: tl.tensor,
    limit: tl.tensor,
    symmetric: tl.tensor,
    MAYBE_SYMMETRIC: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Solve one problem, cooling first and absorbing scalings that grow too far.

    At least one iteration and its sweep are made.

    Args:
        exponent: Costs over epsilon ``[N, M]``; 0 where there is no mass.
        a: Source masses ``[N]``.
        b: Target masses ``[M]``.
        log_a: Logarithm of ``a``; -HUGE where there is no mass.
        log_b: Logarithm of ``b``; -HUGE where there is no mass.
        eps_over_tau_rows: epsilon / tau_a; 0 makes the source's marginal a constraint.
        eps_over_tau_columns: epsilon / tau_b; 0 makes the target's marginal a constraint.
        tolerance: Error at which the problem stops.
        limit: Largest number of iterations.
        symmetric: True for a side against itself.
        MAYBE_SYMMETRIC: False if no problem of the launch is symmetric; otherwise N is M.

    Returns:
        Potentials u ``[N]`` and v ``[M]``, iterations, and the relaxation reached.
    """
    live = (a > 0)[:, None] & (b > 0)[None, :]
    highest = tl.max(tl.max(tl.where(live, exponent, -HUGE), 1), 0)
    lowest = tl.min(tl.min(tl.where(live, exponent, HUGE), 1), 0)
    temperature = (highest - lowest) / 10.0
    # What the rounding of the exponents hides from the plan needs no iterations.
    tolerance = tl.maximum(tolerance, 2e-6 + 1e-7 * (highest - lowest))
    u = a * 0.0
    v = b * 0.0
    steps = limit * 0
    while (temperature > 1.0) & (steps + 2 < limit):
        u = sweep(exponent, log_b, v, eps_over_tau_rows, temperature, 1)
        v = _update_columns(
            exponent, log_a, u, v, eps_over_tau_columns, temperature, symmetric, MAYBE_SYMMETRIC
        )
        temperature = temperature / COOLING
        steps += 1
    error = tolerance * 0.0 + HUGE
    omega = tolerance * 0.0 + 1.0
    cap = tolerance * 0.0 + MOST_RELAXED
    window = limit * 0 + SHORTEST_WINDOW
    going = steps >= 0
    while going:
        u = sweep(exponent, log_b, v, eps_over_tau_rows, 1.0, 1)
        v = _update_columns(
            exponent, log_a, u, v, eps_over_tau_columns, 1.0, symmetric, MAYBE_SYMMETRIC
        )
        steps += 1
        plan = tl.exp((log_a + u)[:, None] - exponent + (log_b + v)[None, :])
        u, v, steps, error, omega, cap, window, going = scale_plan(
            plan, b, log_a, log_b, u, v, eps_over_tau_rows, eps_over_tau_columns,
            tolerance, limit, steps, error, omega, cap, window, symmetric, MAYBE_SYMMETRIC,
        )  # fmt: skip
    return u, v, steps, omega


@triton.jit
def scale_plan(
    plan: tl.tensor,
    b: tl.tensor,
    log_a: tl.tensor,
    log_b: tl.tensor,
    u: tl.tensor,
    v: tl.tensor,
    eps_over_tau_rows: tl.tensor,
    eps_over_tau_columns: tl.tensor,
    tolerance: tl.tensor,
    limit: tl.tensor,
    steps: tl.tensor,
    error: tl.tensor,
    omega: tl.tensor,
    cap: tl.tensor,
    window: tl.tensor,
    symmetric: tl.tensor,
    MAYBE_SYMMETRIC: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Scale the rows and columns of a plan until its marginals are right, in the precision of the plan.

    Args:
        plan: The plan ``[N, M]`` of the potentials.
        b: Target masses ``[M]``.
        log_a: Logarithm of the source masses ``[N]``; -HUGE where there is no mass.
        log_b: Logarithm of ``b``; -HUGE where there is no mass.
        u: Source potentials ``[N]``.
        v: Target potentials ``[M]``.
        eps_over_tau_rows: epsilon / tau_a.
        eps_over_tau_columns: epsilon / tau_b.
        tolerance: Error at which the iterations stop.
        limit: Largest number of iterations, ``steps`` included.
        steps: Iterations made before.
        error: Error before; within the tolerance it makes the first iteration a plain one.
        omega: Relaxation.
        cap: Largest relaxation.
        window: Iterations between two estimates of the rate.
        symmetric: True for a side against itself.
        MAYBE_SYMMETRIC: False if no problem of the launch is symmetric; otherwise N is M.

    Returns:
        The arguments from ``u`` to ``window`` that changed: u, v, steps, error, omega, cap, window; and whether the
        iterations stopped only because a scaling grew too far. The error is that of ``otx.ot.solvers.newton.Ascent``.
    """
    log_p = u * 0.0
    log_q = v * 0.0
    reach = tolerance * 0.0
    mark = tolerance * 0.0
    age = limit * 0
    going = steps < limit
    # A sweep and an iteration are two: what is left may be only one.
    while going & ((reach <= REACH) | (steps + 1 >= limit)):
        last = steps + 1 >= limit
        plain = last | (error <= tolerance)
        if MAYBE_SYMMETRIC:
            plain = plain | symmetric
        relaxation = tl.where(plain, 1.0, omega)
        inflow = tl.sum(plan * tl.exp(log_q)[None, :], 1)
        log_p = _relaxed(log_p, log_a, u, inflow, eps_over_tau_rows, relaxation)
        outflow = tl.sum(plan * tl.exp(log_p)[:, None], 0)
        target = b * tl.exp(-eps_over_tau_columns * (v + log_q))
        error = tl.sum(tl.abs(tl.exp(log_q) * outflow - target), 0)
        going = (error > tolerance) | ((relaxation > 1.0) & (error <= tolerance))
        going = going & (steps + 1 < limit)
        # The error is that of the v before this iteration: the last one leaves it as it was.
        moved = _relaxed(log_q, log_b, v, outflow, eps_over_tau_columns, relaxation)
        if MAYBE_SYMMETRIC:
            # Towards v = (v + u) / 2, as _update_columns does.
            halfway = tl.where(log_b > -HUGE, (u + log_p - v + log_q) / 2.0, 0.0)
            moved = tl.where(symmetric, halfway, moved)
        log_q = tl.where(going, moved, log_q)
        due = age >= window
        omega, cap, window = _next_relaxation(omega, cap, window, error, mark, due)
        mark = tl.where(due | (age == 0), error, mark)
        age = tl.where(due, 1, age + 1)
        reach = tl.maximum(tl.max(tl.abs(log_p), 0), tl.max(tl.abs(log_q), 0))
        steps += 1
    return u + log_p, v + log_q, steps, error, omega, cap, window, going


@triton.jit
def sweep(
    exponent: tl.tensor,
    log_other: tl.tensor,
    other: tl.tensor,
    loose: tl.tensor,
    temperature: tl.tensor,
    AXIS: tl.constexpr,
) -> tl.tensor:
    """Run half of Sinkhorn's iteration in the log domain.

    Args:
        exponent: Costs over epsilon ``[N, M]``; 0 where there is no mass.
        log_other: Logarithm of the other side's masses; -HUGE where there is no mass.
        other: The other side's potentials.
        loose: epsilon / tau of the side that is updated.
        temperature: Factor on epsilon.
        AXIS: Axis of the other side.

    Returns:
        The best potentials given the other side's.
    """
    scaled = tl.expand_dims(log_other + other / temperature, 1 - AXIS) - exponent / temperature
    peak = tl.max(scaled, AXIS)
    total = tl.sum(tl.exp(scaled - tl.expand_dims(peak, AXIS)), AXIS)
    return -temperature * (tl.log(total) + peak) / (1.0 + loose * temperature)


@triton.jit
def _update_columns(
    exponent: tl.tensor,
    log_a: tl.tensor,
    u: tl.tensor,
    v: tl.tensor,
    loose: tl.tensor,
    temperature: tl.tensor,
    symmetric: tl.tensor,
    MAYBE_SYMMETRIC: tl.constexpr,
) -> tl.tensor:
    """Return the best v given u or, of a side against itself, the mean of both.

    The mean at least halves the error (see ``otx.ot.solvers.sinkhorn_log.average``), where a word that is its own
    partner makes alternating updates crawl.
    """
    if MAYBE_SYMMETRIC:
        if symmetric:  # noqa: SIM108
            v = (u + v) / 2.0
        else:
            v = sweep(exponent, log_a, u, loose, temperature, 0)
    else:
        v = sweep(exponent, log_a, u, loose, temperature, 0)
    return v


@triton.jit
def _relaxed(
    log_scaling: tl.tensor,
    log_mass: tl.tensor,
    potential: tl.tensor,
    flow: tl.tensor,
    loose: tl.tensor,
    relaxation: tl.tensor,
) -> tl.tensor:
    """Move the log scaling towards the one that gives its edge the right flow; 0 without mass."""
    # A flow that has vanished asks for a scaling out of reach, and so for a sweep in the log domain.
    right = (log_mass - loose * potential - tl.log(tl.maximum(flow, TINY))) / (1.0 + loose)
    return tl.where(log_mass > -HUGE, log_scaling + relaxation * (right - log_scaling), 0.0)


@triton.jit
def _next_relaxation(
    omega: tl.tensor,
    cap: tl.tensor,
    window: tl.tensor,
    error: tl.tensor,
    mark: tl.tensor,
    due: tl.tensor,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the next relaxation, its bound and the next window, after one that took the error from mark to error.

    Below the best relaxation the contraction c obeys ``(c + omega - 1)^2 = c omega^2 rate``, where rate is plain
    Sinkhorn's; above it c is omega - 1 (Young 1954, https://doi.org/10.1090/S0002-9947-1954-0059635-7).
    """
    ratio = tl.maximum(error, TINY) / tl.maximum(mark, TINY)
    contraction = tl.exp(tl.log(ratio) / window)
    grown = contraction >= 1.0
    bound = tl.where(grown, 0.3 + cap * 0.7, tl.minimum(MOST_RELAXED, cap * 1.2 - 0.2))
    shifted = contraction + omega - 1.0
    rate = shifted * shifted / (contraction * omega * omega)
    best = tl.minimum(bound, 2.0 / (1.0 + tl.sqrt(tl.maximum(1.0 - rate, 0.0))))
    raised = tl.where(contraction > omega - 1.0, tl.maximum(omega, best), omega)
    raised = tl.where(grown, 1.0, raised)
    longer = tl.where(due & grown, tl.minimum(window * 2, LONGEST_WINDOW), window)
    return tl.where(due, raised, omega), tl.where(due, bound, cap), longer
