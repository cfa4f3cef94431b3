"""GeomLoss's fixed annealing: the published recipe's solver, reproduced step by step.

``SamplesLoss("sinkhorn", p=2, blur, scaling, debias=True)`` of geomloss 0.3, tensorized: epsilon falls from the
points' squared diameter to ``blur ** 2`` by factors of ``scaling ** 2``, with one averaged update of the potentials at
each, whatever error the marginals are left with. It is not run to convergence, and its value can be negative where
the divergence's cannot.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.costs.ground import half_squared_euclidean
from otx.ot.precision import at_least_float32, no_autocast
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.problem import Problem
from otx.ot.solvers.divergence import Divergence
from otx.ot.transport import Transport, attach_slopes

CONVERGED = 1e-6
"""Marginal error within which a result counts as converged, as for the other solvers."""


def geomloss_divergence(
    x: Tensor, y: Tensor, a: Tensor, b: Tensor, *, blur: float = 0.05, scaling: float = 0.5
) -> Divergence:
    """Compute the Sinkhorn divergence exactly as GeomLoss does.

    The cost is ``||x - y||^2 / 2`` and epsilon is ``blur ** 2``. A schedule starts from the diagonal of the box around
    the words of one problem: a padded batch equals a loop of SamplesLoss over its problems. (SamplesLoss itself, given
    a batch, takes one box around all points of the batch, padding included.)

    Args:
        x: Source points ``[B, N, D]``.
        y: Target points ``[B, M, D]``.
        a: Source masses ``[B, N]``; each problem sums to 1; 0 marks padding.
        b: Target masses ``[B, M]``; each problem sums to 1; 0 marks padding.
        blur: Square root of the last epsilon, in the unit of the points.
        scaling: Square root of the factor between two epsilons, between 0 and 1.

    Returns:
        The divergences ``[B]``, ``<a, f - f_aa> + <b, g - g_bb>`` after the last extrapolation, with SamplesLoss's
        gradient, and their three transports. ``iterations`` counts the updates, the first and the last included.
        ``marginal_error`` is that of both marginals of ``exp((f + g - C) / epsilon) a b^T``, which after so few
        updates is seldom within 1e-6: expect ``converged`` to be False.

    Raises:
        ProblemError: If blur or scaling is out of range, or a problem has no solution, naming its index: see
            ``otx.ot.problems.entropic.validate``.

    Example:
        >>> x, y, one = torch.zeros(1, 1, 2), torch.tensor([[[3.0, 4.0]]]), torch.ones(1, 1)
        >>> geomloss_divergence(x, y, one, one).value
        tensor([12.5000])

    References:
        Feydy (2020), "Geometric Data Analysis, Beyond Convolutions", section 3.3.
        https://tel.archives-ouvertes.fr/tel-02945979
    """
    if not (blur > 0 and 0 < scaling < 1):
        raise ProblemError(
            f"blur is {blur:g} and scaling {scaling:g}", "blur > 0 and 0 < scaling < 1 are needed"
        )
    with no_autocast(x):
        x, y, a, b = (at_least_float32(side) for side in (x, y, a, b))
        schedules = [_schedule(d, blur, scaling) for d in _diameters(x, y, a, b).tolist()]
        cross = _anneal(x, y, a, b, schedules=schedules)
        left = _anneal(x, x, a, a, schedules=schedules)
        right = _anneal(y, y, b, b, schedules=schedules)
    return Divergence(cross.value - (left.value + right.value) / 2, cross, left, right)


def _diameters(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the diagonal ``[B]`` of the box around the points with mass of both sides."""
    points = torch.cat((x, y), 1).detach()
    massless = torch.cat((a == 0, b == 0), 1)[:, :, None]
    highest = points.masked_fill(massless, -torch.inf).amax(1)
    lowest = points.masked_fill(massless, torch.inf).amin(1)
    diagonal: Tensor = torch.linalg.vector_norm(highest - lowest, dim=1)
    return diagonal


def _schedule(diameter: float, blur: float, scaling: float) -> list[float]:
    """Return GeomLoss's epsilons; for points that all coincide, where GeomLoss fails, the last one alone."""
    if not 0 < diameter < math.inf:
        return [blur**2]
    start, step = 2 * math.log(diameter), 2 * math.log(scaling)
    count = max(0, math.ceil((2 * math.log(blur) - start) / step))
    falling = [math.exp(start + k * step) for k in range(count)]
    return [diameter**2, *falling, blur**2]


def _anneal(
    x: Tensor, y: Tensor, a: Tensor, b: Tensor, *, schedules: list[list[float]]
) -> Transport:
    fixed_x, fixed_y, epsilon = x.detach(), y.detach(), schedules[0][-1]
    problem = validate(Problem(half_squared_euclidean(fixed_x, fixed_y), a, b, epsilon=epsilon))
    u, v = _descend(problem, schedules)
    last_u, last_v = problem.rows(v), problem.columns(u)
    f = (epsilon * last_u).masked_fill(problem.a == 0, 0)
    g = (epsilon * last_v).masked_fill(problem.b == 0, 0)
    value = (problem.a * f).sum(1) + (problem.b * g).sum(1)
    # GeomLoss differentiates each potential by its own points, under the plan of its own update.
    by_rows, by_columns = problem.plan(last_u, v).to(x), problem.plan(u, last_v).to(x)
    slope_x = by_rows.sum(2)[:, :, None] * fixed_x - by_rows @ fixed_y
    slope_y = by_columns.sum(1)[:, :, None] * fixed_y - by_columns.mT @ fixed_x
    plan = problem.plan(last_u, last_v)
    error = (plan.sum(2) - problem.a).abs().sum(1) + (plan.sum(1) - problem.b).abs().sum(1)
    return Transport.from_potentials(
        problem,
        f,
        g,
        value=attach_slopes(
            value.to(x), (x, y, a, b), lambda: (slope_x, slope_y, f.to(a), g.to(b))
        ),
        plan=plan,
        iterations=torch.tensor([len(schedule) + 2 for schedule in schedules], device=x.device),
        error=error,
        converged=error <= CONVERGED,
    )


def _descend(problem: EntropicProblem, schedules: list[list[float]]) -> tuple[Tensor, Tensor]:
    """Return both potentials after one averaged update per epsilon, each problem on its own schedule."""
    longest = max(len(schedule) for schedule in schedules)
    padded = [schedule + [math.nan] * (longest - len(schedule)) for schedule in schedules]
    epsilons = torch.tensor(padded, dtype=torch.float64).to(problem.a)
    temperatures = (epsilons / schedules[0][-1]).T[:, :, None]
    u, v = torch.zeros_like(problem.a), torch.zeros_like(problem.b)
    u, v = _update(problem, temperatures[0], u, v)
    for temperature in temperatures:
        over = temperature.isnan()
        new_u, new_v = _update(problem, temperature, u, v)
        u, v = torch.where(over, u, (u + new_u) / 2), torch.where(over, v, (v + new_v) / 2)
    return u, v


def _update(
    problem: EntropicProblem, temperature: Tensor, u: Tensor, v: Tensor
) -> tuple[Tensor, Tensor]:
    heated = problem.heat(temperature)
    rows, columns = heated.rows(v / temperature), heated.columns(u / temperature)
    return temperature * rows, temperature * columns
