"""Entropic transport in machine code: one problem after the other, each at its own length, in float64.

Rows and columns without mass are left out first, so that no iteration sees padding. The methods are those of
``sinkhorn_kernel``, ``sinkhorn_log`` and ``newton`` in ``otx.ot.solvers``, where they are described.

``solve_range`` is compiled at its first import, in some ten seconds, and stored. Constants of other modules are its
arguments, since changes of other files do not make it compile again.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from otx.files.machine_code import machine_code

(
    SAFE_EXPONENT,
    CHECK_EVERY,
    OMEGA,
    OMEGA_MOST,
    GROWTH,
    SCALINGS,
    SWEEPS,
    LARGEST_NEWTON,
    MISMATCH,
) = range(9)
"""Places of the constants among the ``rules``."""
VALUE, ERROR, MASS = range(3)
"""Lines of a problem's ``numbers``."""
POTENTIAL, SLOPE, LOG_SCALING = range(3)
"""Lines of the results of one side."""
BLOCK = 16_384
"""Entries of the kernel that a core's second cache holds: 128 KiB."""

INNER = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
EXACT = {"fastmath": {"contract"}} | INNER
"""Fused multiply-adds, but no reordering, on which ``_exp`` and ``_log`` rely. A check before a division would keep
loops from running in vectors."""
SUMS = {"fastmath": {"contract", "reassoc"}} | INNER
"""The same with sums in any fixed order, so that they run in vectors."""
TILE = 4
"""Both sides are padded to a multiple of this with words without mass, so that no vector loop has a rest."""
NO_MASS = -1e300
"""Stand-in for the logarithm of a mass of 0: below all others, and unlike -inf it can be relaxed."""

_LOG2_E = 1 / math.log(2)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""The logarithm of 2 in two parts, of which the first has zeros enough to be multiplied exactly."""
_ROUND = 1.5 * 2.0**52
"""What rounds a number when it is added and subtracted, and leaves the integer in the lowest bits."""
_C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11, _C12 = (
    1 / math.factorial(k) for k in range(2, 13)
)
_L1, _L2, _L3, _L4, _L5, _L6, _L7 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
_SMALLEST, _LARGEST = -708.0, 710.0
_ONE, _SQRT_HALF = np.int64(0x3FF0000000000000), np.int64(0x3FE6A09E667F3BCD)
"""The bits of 1 and of the square root of one half."""
_MANTISSA = np.int64((1 << 52) - 1)
_SHIFT_BITS, _SHIFT = np.int64(0x4330000000000000), 2.0**52 + 1023
"""The bits of 2^52, whose mantissa an exponent can be written into, and what is then to be subtracted."""


@njit(**EXACT)
def _exp(x):
    """Compute exp(x) to 2 units in the last place, without branches, so that loops over it run in vectors."""
    bounded = min(max(x, _SMALLEST), _LARGEST)
    shifted = bounded * _LOG2_E + _ROUND
    power = shifted - _ROUND
    r = bounded - power * _LN2_HIGH
    r = r - power * _LN2_LOW
    s = r * r
    q = s * s
    low = (1.0 + r) + (_C2 + _C3 * r) * s
    middle = (_C4 + _C5 * r) + (_C6 + _C7 * r) * s
    high = (_C8 + _C9 * r) + (_C10 + _C11 * r) * s + _C12 * q
    bits = (np.float64(shifted).view(np.int64) + 1023) << 52
    value = (low + q * (middle + q * high)) * np.int64(bits).view(np.float64)
    return value if not x < _SMALLEST else 0.0


@njit(**EXACT)
def _log(x):
    """Compute log(x) of a normal positive number to 1 unit in the last place, as fdlibm; anything else gives NaN."""
    bits = np.float64(x).view(np.int64) + (_ONE - _SQRT_HALF)
    exponent = np.int64(np.uint64(bits) >> np.uint64(52))
    power = np.int64(exponent | _SHIFT_BITS).view(np.float64) - _SHIFT
    f = np.int64((bits & _MANTISSA) + _SQRT_HALF).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (_L2 + w * (_L4 + w * _L6))
    odd = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7)))
    half = 0.5 * f * f
    value = power * _LN2_HIGH - ((half - (s * (half + even + odd) + power * _LN2_LOW)) - f)
    return value if (x > 2.3e-308) & (x < 1.7e308) else np.nan


@njit(**SUMS)
def _row_flow(kernel, q, flow):
    """Write the products of the rows with ``q``, four rows at a time."""
    for i in range(0, len(flow), TILE):
        k0, k1, k2, k3 = kernel[i], kernel[i + 1], kernel[i + 2], kernel[i + 3]
        s0 = s1 = s2 = s3 = 0.0
        for j in range(len(q)):
            s0 += k0[j] * q[j]
            s1 += k1[j] * q[j]
            s2 += k2[j] * q[j]
            s3 += k3[j] * q[j]
        flow[i], flow[i + 1], flow[i + 2], flow[i + 3] = s0, s1, s2, s3


@njit(**EXACT)
def _add_column_flow(kernel, p, flow):
    """Add the products of ``p`` with the columns, four rows at a time."""
    for i in range(0, len(p), TILE):
        k0, k1, k2, k3 = kernel[i], kernel[i + 1], kernel[i + 2], kernel[i + 3]
        p0, p1, p2, p3 = p[i], p[i + 1], p[i + 2], p[i + 3]
        for j in range(len(flow)):
            flow[j] += p0 * k0[j] + p1 * k1[j] + p2 * k2[j] + p3 * k3[j]


@njit(**EXACT)
def _update(flow, log_mass, stiff, omega, log_scaling, scaling):
    """Move the scalings of one side ``omega`` of the way to the best ones, given the flow of the other side."""
    for i in range(len(flow)):
        exact = log_mass[i] - stiff * _log(flow[i])
        log_scaling[i] += omega * (exact - log_scaling[i])
        scaling[i] = _exp(log_scaling[i])


@njit(**SUMS)
def _column_error(flow, scaling, target):
    """Return the L1 distance of the column sums from those of the optimum."""
    error = 0.0
    for j in range(len(flow)):
        error += abs(scaling[j] * flow[j] - target[j])
    return error


@njit(**EXACT)
def _target(mass, potential, eps_over_tau, target):
    """Write the marginal of the optimum."""
    for j in range(len(mass)):
        target[j] = mass[j] * _exp(-eps_over_tau * potential[j])


@njit(**EXACT)
def _fit_relaxation(error, before, omega, rules):
    """Return the relaxation that fits the fall of the error, as ``sinkhorn_kernel.fit_relaxation``."""
    every, least, most, growth = rules[CHECK_EVERY], rules[OMEGA], rules[OMEGA_MOST], rules[GROWTH]
    if before == np.inf:
        return omega
    if not error < growth * before:
        return 1.0
    fall = min(max(error / before, 1e-12), 0.9999) ** (1 / every)
    plain = min(max((fall + omega - 1) ** 2 / (fall * omega * omega), 0.0), 0.9999)
    return min(max(2 / (1 + math.sqrt(1 - plain)), least), most)


@njit(**EXACT)
def _scale(kernel, row, column, taus, symmetric, limit, tolerance, rules):
    """Iterate in the kernel domain from the target potentials; return the error and the number of iterations.

    These are those of the last sound measurement, and so are the potentials.
    """
    (a, log_a, u), (b, log_b, v) = row, column
    n, m = len(a), len(b)
    p, log_p, row_flow = np.empty(n), np.empty(n), np.empty(n)
    q, log_q, column_flow, target = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    stiff_rows, stiff_columns = 1 / (1 + taus[0]), 1 / (1 + taus[1])
    every, omega = int(rules[CHECK_EVERY]), rules[OMEGA]
    error, final, steps = np.inf, np.inf, 0
    for i in range(n):
        log_p[i] = log_a[i]
    for j in range(m):
        log_q[j] = log_b[j] + v[j]
        q[j] = _exp(log_q[j])
    # Rows that stay in a core's cache until their columns' flow is known: a large kernel is read once per iteration.
    block = max(TILE, BLOCK // m // TILE * TILE)
    for iteration in range(limit + 1):
        checked = iteration % every == 0 or iteration == limit
        relaxation = 1.0 if checked or symmetric else omega
        for j in range(m):
            column_flow[j] = 0.0
        for first in range(0, n, block):
            part = slice(first, min(first + block, n))
            _row_flow(kernel[part], q, row_flow[part])
            _update(row_flow[part], log_a[part], stiff_rows, relaxation, log_p[part], p[part])
            if checked or not symmetric:
                _add_column_flow(kernel[part], p[part], column_flow)
        if checked:
            before = error
            for j in range(m):
                target[j] = log_q[j] - log_b[j]
            _target(b, target, taus[1], target)
            error = _column_error(column_flow, q, target)
            steps = iteration
            if np.isfinite(error):
                final = error
                for i in range(n):
                    u[i] = log_p[i] - log_a[i]
                for j in range(m):
                    v[j] = log_q[j] - log_b[j]
            if error <= tolerance or iteration == limit:
                break
            omega = _fit_relaxation(error, before, omega, rules)
        if symmetric:
            for j in range(m):
                log_q[j] += 0.5 * (log_p[j] - log_q[j])
                q[j] = _exp(log_q[j])
        else:
            # At the start there is nothing to relax from.
            relaxation = omega if iteration else 1.0
            _update(column_flow, log_b, stiff_columns, relaxation, log_q, q)
    return final, steps


@njit(**SUMS)
def _exp_sum(line, peak):
    """Return the sum of exp(line - peak)."""
    total = 0.0
    for j in range(len(line)):
        total += _exp(line[j] - peak)
    return total


@njit(**EXACT)
def _row_potentials(exponent, log_b, v, heat, stiff, u):
    """Write the best source potentials at ``heat`` times epsilon."""
    line, cold = np.empty(len(v)), 1 / heat
    for i in range(len(u)):
        of_row, peak = exponent[i], -np.inf
        for j in range(len(line)):
            line[j] = log_b[j] + (v[j] - of_row[j]) * cold
            peak = max(peak, line[j])
        u[i] = -heat * stiff * (math.log(_exp_sum(line, peak)) + peak)


@njit(**EXACT)
def _column_potentials(exponent, log_a, u, heat, stiff, v):
    """Write the best target potentials at ``heat`` times epsilon."""
    peak, total, cold = np.empty(len(v)), np.empty(len(v)), 1 / heat
    for j in range(len(v)):
        peak[j], total[j] = -np.inf, 0.0
    for i in range(len(u)):
        of_row, log_mass, potential = exponent[i], log_a[i], u[i]
        for j in range(len(v)):
            peak[j] = max(peak[j], log_mass + (potential - of_row[j]) * cold)
    for i in range(len(u)):
        of_row, log_mass, potential = exponent[i], log_a[i], u[i]
        for j in range(len(v)):
            total[j] += _exp(log_mass + (potential - of_row[j]) * cold - peak[j])
    for j in range(len(v)):
        v[j] = -heat * stiff * (math.log(total[j]) + peak[j])


@njit(**EXACT)
def _sweep(exponent, row, column, taus, symmetric, sweeps, span):
    """Iterate in the log domain from the target potentials, cooling from a tenth of the cost's range."""
    (_, log_a, u), (_, log_b, v) = row, column
    start = max(span / 10, 1.0)
    for sweep in range(1, sweeps + 1):
        heat = start ** (1 - sweep / sweeps)
        _row_potentials(exponent, log_b, v, heat, 1 / (1 + taus[0] * heat), u)
        if symmetric:
            for j in range(len(v)):
                v[j] = 0.5 * (v[j] + u[j])
        else:
            _column_potentials(exponent, log_a, u, heat, 1 / (1 + taus[1] * heat), v)


@njit(**EXACT)
def _soft_potential(eps_over_tau, potential):
    """Return the contribution of a potential to the dual, as ``marginals.soft_potential``."""
    return -math.expm1(-eps_over_tau * potential) / eps_over_tau if eps_over_tau > 0 else potential


@njit(**EXACT)
def _dual(row, column, taus):
    """Return the dual value over epsilon and the plan's mass, if its row sums are exact."""
    (a, _, u), (b, _, v) = row, column
    linear, mass, sum_a, sum_b = 0.0, 0.0, 0.0, 0.0
    for i in range(len(a)):
        if a[i] > 0:
            linear += a[i] * _soft_potential(taus[0], u[i])
            mass += a[i] * _exp(-taus[0] * u[i])
            sum_a += a[i]
    for j in range(len(b)):
        if b[j] > 0:
            linear += b[j] * _soft_potential(taus[1], v[j])
            sum_b += b[j]
    return linear - mass + sum_a * sum_b, mass


@njit(**EXACT)
def _largest(mass, potential):
    """Return the largest absolute potential of a word with mass."""
    largest = 0.0
    for i in range(len(mass)):
        if mass[i] > 0:
            largest = max(largest, abs(potential[i]))
    return largest


@njit(**EXACT)
def _fill_plan(exponent, row, column, plan, sums):
    """Write the plan and its column sums."""
    (_, log_a, u), (_, log_b, v) = row, column
    for j in range(len(v)):
        sums[j] = 0.0
    for i in range(len(u)):
        of_row, into, log_p = exponent[i], plan[i], log_a[i] + u[i]
        for j in range(len(v)):
            into[j] = _exp(log_p + (log_b[j] + v[j]) - of_row[j])
            sums[j] += into[j]


@njit(**EXACT)
def _subtract_coupling(plan, weight, hessian):
    """Subtract P^T diag(weight) P from the lower half of the Hessian, four rows of the plan at a time."""
    for i in range(0, len(weight), TILE):
        p0, p1, p2, p3 = plan[i], plan[i + 1], plan[i + 2], plan[i + 3]
        for j in range(len(hessian)):
            c0, c1 = weight[i] * p0[j], weight[i + 1] * p1[j]
            c2, c3 = weight[i + 2] * p2[j], weight[i + 3] * p3[j]
            of_row = hessian[j]
            for k in range(j // TILE * TILE + TILE):
                of_row[k] -= c0 * p0[k] + c1 * p1[k] + c2 * p2[k] + c3 * p3[k]


@njit(**SUMS)
def _dot(x, y):
    """Return the inner product of x and y, which is at least as long."""
    total = 0.0
    for k in range(len(x)):
        total += x[k] * y[k]
    return total


@njit(**EXACT)
def _solve_positive(hessian, x):
    """Solve ``hessian x = x`` in place by Cholesky's factors; return False if it is not positive definite."""
    for i in range(len(x)):
        of_row = hessian[i]
        for j in range(i):
            of_row[j] = (of_row[j] - _dot(of_row[:j], hessian[j])) / hessian[j, j]
        pivot = of_row[i] - _dot(of_row[:i], of_row)
        if not pivot > 0:
            return False
        of_row[i] = math.sqrt(pivot)
        x[i] = (x[i] - _dot(of_row[:i], x)) / of_row[i]
    for i in range(len(x) - 1, -1, -1):
        of_row = hessian[i]
        x[i] /= of_row[i]
        for j in range(i):
            x[j] -= x[i] * of_row[j]
    return True


@njit(**EXACT)
def _ascend(exponent, row, column, taus, limit, tolerance):
    """Take damped Newton steps from the target potentials; return the error and the number of steps."""
    (a, log_a, u), (b, log_b, v) = row, column
    n, m = len(a), len(b)
    moved, weight, trial, sums = np.empty(n), np.empty(n), np.empty(m), np.empty(m)
    target, gradient = np.empty(m), np.empty(m)
    plan, hessian = np.empty((n, m)), np.empty((m, m))
    stiff_rows, stiff_columns = 1 / (1 + taus[0]), 1 / (1 + taus[1])
    dual, damping, step, forced = 0.0, 1.0, 0, True
    for j in range(m):
        trial[j] = v[j]
    while True:
        _row_potentials(exponent, log_b, trial, 1.0, stiff_rows, moved)
        reached, _ = _dual((a, log_a, moved), (b, log_b, trial), taus)
        # The dual is a difference of large numbers: a rise below its rounding cannot be seen.
        slack = 64 * 2.0**-52 * (1 + _largest(a, u) + _largest(b, v))
        if forced or reached >= dual - slack:
            dual = reached
            for i in range(n):
                u[i] = moved[i]
            for j in range(m):
                v[j] = trial[j]
            _fill_plan(exponent, row, column, plan, sums)
            _target(b, v, taus[1], target)
            error = 0.0
            for j in range(m):
                gradient[j] = target[j] - sums[j]
                error += abs(gradient[j])
            if error <= tolerance or step == limit:
                return error, step
            step += 1
            for i in range(n):
                row_sum = (1 + taus[0]) * a[i] * _exp(-taus[0] * u[i])
                weight[i] = 1 / row_sum if row_sum > 0 else 0.0
            pressed = max(damping * min(error, 1.0), 1e-10)
            for j in range(m):
                of_row = hessian[j]
                for k in range(m):
                    of_row[k] = 0.0
                of_row[j] = sums[j] + (taus[1] + pressed) * target[j] if target[j] > 0 else 1.0
            _subtract_coupling(plan, weight, hessian)
            forced = not _solve_positive(hessian, gradient)
            for j in range(m):
                trial[j] = v[j] + gradient[j]
            damping = max(damping / 4, 1e-6)
        else:
            forced = True
        if forced:
            # A Sinkhorn update always raises the dual. The next step is shorter than this one, not longer.
            damping = min(16 * damping, 1e6)
            _column_potentials(exponent, log_a, u, 1.0, stiff_columns, trial)


@njit(**EXACT)
def _gather(masses, problem, positions):
    """Write the positions that have mass; return their number and total, or -1 for a mass that is impossible."""
    count, total = 0, 0.0
    for i in range(masses.shape[1]):
        mass = masses[problem, i]
        if not (mass >= 0 and mass < np.inf):
            return -1, 0.0
        if mass > 0:
            positions[count] = i
            count += 1
            total += mass
    return count, total


@njit(**EXACT)
def _side(masses, problem, positions, count, scale):
    """Return masses, logarithms and potentials of 0 of one side, padded to the tile."""
    size = (count + TILE - 1) // TILE * TILE
    mass, log_mass, potential = np.empty(size), np.empty(size), np.empty(size)
    for i in range(size):
        mass[i] = masses[problem, positions[i]] * scale if i < count else 0.0
        log_mass[i] = math.log(mass[i]) if i < count else NO_MASS
        potential[i] = 0.0
    return mass, log_mass, potential


@njit(**EXACT)
def _load(cost32, cost64, problem, rows, columns, n, m, epsilon, exponent):
    """Write the costs between the positions with mass, over epsilon; return the smallest and the largest."""
    lowest, highest, poison = np.inf, -np.inf, 0.0
    single = len(cost32) > 0
    for i in range(len(exponent)):
        of_row = exponent[i]
        for j in range(len(of_row)):
            of_row[j] = 0.0
        if i < n:
            for j in range(m):
                if single:
                    x = cost32[problem, rows[i], columns[j]] / epsilon
                else:
                    x = cost64[problem, rows[i], columns[j]] / epsilon
                of_row[j] = x
                lowest, highest = min(lowest, x), max(highest, x)
                poison += x * 0.0
    return lowest + poison, highest + poison


@njit(**EXACT)
def _exponentiate(exponent):
    """Turn exponents into the kernel, in place."""
    for i in range(len(exponent)):
        of_row = exponent[i]
        for j in range(len(of_row)):
            of_row[j] = _exp(-of_row[j])


@njit(**EXACT)
def _centre(row, column, total, taus):
    """Fix the constant that the potentials of a balanced problem share: ``<a, u> = <b, v>``."""
    if taus[0] == 0 and taus[1] == 0:
        (a, _, u), (b, _, v) = row, column
        shift = (_dot(b, v) - _dot(a, u)) / total / 2
        for i in range(len(u)):
            u[i] += shift
        for j in range(len(v)):
            v[j] -= shift


@njit(**EXACT)
def _write_side(side, eps_over_tau, epsilon, other, problem, positions, count, results):
    """Write potentials and slopes, in the cost's unit, and the logarithms of the scalings of one side."""
    _, log_mass, potentials = side
    for i in range(count):
        at, potential = positions[i], potentials[i]
        slope = _soft_potential(eps_over_tau, potential) - _exp(-eps_over_tau * potential) + other
        results[POTENTIAL, problem, at] = epsilon * potential
        results[SLOPE, problem, at] = epsilon * slope
        results[LOG_SCALING, problem, at] = log_mass[i] + potential


@njit(**EXACT)
def _write_plan(matrix, is_kernel, row, column, problem, rows, columns, n, m, plan32, plan64):
    """Write the plan's entries with mass, from the kernel or from the exponents."""
    (_, log_a, u), (_, log_b, v) = row, column
    line = np.empty(len(v))
    for i in range(n):
        of_row, log_p = matrix[i], log_a[i] + u[i]
        for j in range(len(line)):
            if is_kernel:
                line[j] = _exp(log_p + (log_b[j] + v[j])) * of_row[j]
            else:
                line[j] = _exp(log_p + (log_b[j] + v[j]) - of_row[j])
        for j in range(m):
            if len(plan32) > 0:
                plan32[problem, rows[i], columns[j]] = line[j]
            else:
                plan64[problem, rows[i], columns[j]] = line[j]


SIGNATURE = (
    "int64(float32[:,:,:], float64[:,:,:], float64[:,::1], float64[:,::1], float64[:,::1], "
    "float64, UniTuple(float64, 2), boolean, float64, int64, float64[::1], int64, int64, "
    "float64[:,:,::1], float64[:,:,::1], float64[:,::1], int64[::1], "
    "float32[:,:,::1], float64[:,:,::1])"
)
"""Types of the one entry point."""


@machine_code(SIGNATURE)
def solve_range(
    cost32, cost64, a, b, start, epsilon, tau, symmetric, tolerance, limit, rules,
    begin, end, of_rows, of_columns, numbers, steps, plan32, plan64,
):  # fmt: skip
    """Solve some problems of a batch, and write their results. Holds no lock of the interpreter.

    Args:
        cost32: Cost matrices ``[B, N, M]`` in float32, or an empty array.
        cost64: Cost matrices ``[B, N, M]`` in float64, or an empty array.
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        start: Target potentials ``[B, M]`` to start from, in the cost's unit; or an empty array.
        epsilon: Regularisation strength, in the cost's unit.
        tau: Prices of missing the marginals (source, target), in the cost's unit.
        symmetric: True if every problem is a side against itself.
        tolerance: L1 error of the marginals at which a problem has converged.
        limit: Largest number of iterations of a problem.
        rules: Constants of the method, at the places that this module names.
        begin: First problem.
        end: End of the problems.
        of_rows: Results of the source ``[3, B, N]``, at the places that this module names.
        of_columns: Results of the target ``[3, B, M]``.
        numbers: Value, error and mass ``[3, B]``.
        steps: Iterations ``[B]``.
        plan32: Plans ``[B, N, M]`` to write, 0 at first, if the costs are in float32; or an empty array.
        plan64: The same, if the costs are in float64.

    Returns:
        The first problem that has no solution, or -1. What is wrong with it, ``validate`` says.
    """
    taus = epsilon / tau[0], epsilon / tau[1]
    balanced = taus[0] == 0 and taus[1] == 0
    rows, columns = np.empty(a.shape[1], np.int64), np.empty(b.shape[1], np.int64)
    for problem in range(begin, end):
        n, sum_a = _gather(a, problem, rows)
        m, sum_b = _gather(b, problem, columns)
        # A little more lenient than ``validate``, which then says what is wrong.
        most = rules[MISMATCH] * 1.0000002
        unequal = balanced and abs(sum_a - sum_b) > most * (sum_a + sum_b) / 2
        if n < 1 or m < 1 or unequal:
            return problem
        averaged = symmetric and n == m
        if balanced:
            total = (sum_a + sum_b) / 2
            row = _side(a, problem, rows, n, total / sum_a)
            column = _side(b, problem, columns, m, total / sum_b)
            sum_a = sum_b = total
        else:
            row, column = _side(a, problem, rows, n, 1.0), _side(b, problem, columns, m, 1.0)
        v = column[2]
        for j in range(m):
            if len(start) > 0:
                v[j] = start[problem, columns[j]] / epsilon
        matrix = np.empty((len(row[0]), len(v)))
        error, step, is_kernel = np.inf, 0, False
        for attempt in range(2):
            lowest, highest = _load(cost32, cost64, problem, rows, columns, n, m, epsilon, matrix)
            if not np.isfinite(lowest + highest):
                return problem
            if attempt == 1:
                error, more = _ascend(matrix, row, column, taus, limit - step, tolerance)
                step += more
                is_kernel = False
            elif max(-lowest, highest) <= rules[SAFE_EXPONENT]:
                is_kernel = True
                _exponentiate(matrix)
                most_steps = min(max(int(rules[SCALINGS]), m), limit // 2)
                error, step = _scale(
                    matrix, row, column, taus, averaged, most_steps, tolerance, rules
                )
            elif len(start) == 0:
                step = min(int(rules[SWEEPS]), limit)
                _sweep(matrix, row, column, taus, averaged, step, highest - lowest)
            if error <= tolerance or m > rules[LARGEST_NEWTON]:
                break
        _centre(row, column, sum_a, taus)
        value, numbers[MASS, problem] = _dual(row, column, taus)
        numbers[VALUE, problem], numbers[ERROR, problem] = epsilon * value, error
        steps[problem] = step
        _write_side(row, taus[0], epsilon, sum_b, problem, rows, n, of_rows)
        _write_side(column, taus[1], epsilon, sum_a, problem, columns, m, of_columns)
        if len(plan32) + len(plan64) > 0:
            _write_plan(
                matrix, is_kernel, row, column, problem, rows, columns, n, m, plan32, plan64
            )
    return -1
