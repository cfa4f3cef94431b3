"""Large problems between points in bounded memory: the cost is computed tile by tile and never held as a whole.

A tile is all columns of some rows. Its rows' potentials need no other tile, so one pass over the tiles is a whole
iteration of Sinkhorn, and costs one product of the vectors. The iterations run in the log domain in float64, cooled as
in ``sinkhorn_log`` and then over-relaxed as in ``sinkhorn_kernel``. No Newton steps follow, since Newton's matrix
would be as large as the cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.costs.ground import CostFunction
from otx.ot.precision import no_autocast, to_solver_dtype
from otx.ot.problems.marginals import Marginals, validate_marginals
from otx.ot.problems.problem import PointCloudProblem
from otx.ot.solvers.sinkhorn_kernel import CHECK_EVERY, OMEGA, fit_relaxation
from otx.ot.stopping import Stopping
from otx.ot.transport import Transport, attach_gradient, defer_plan

TILE = 2**22
"""Entries of a tile: 32 MiB in float64. A few such arrays exist at a time."""
COOLING = 12
"""Iterations at falling temperatures, before those at epsilon."""


def solve_tiled(problem: PointCloudProblem, stopping: Stopping) -> Transport:
    """Solve entropic transport between points in bounded memory, one problem after the other.

    The result is that of ``otx.ot.solvers.solve.solve``, but its gradient goes to the points, whose costs are computed
    again for it, tile by tile. ``plan`` is the one thing that does not fit in bounded memory.

    Args:
        problem: The problems. With ``symmetric``, averaged updates replace alternating ones.
        stopping: When to stop working on a problem.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index: see ``otx.ot.problems.entropic.validate``.
    """
    with no_autocast(problem.x):
        problem = problem.at_least_float32()
        fixed, epsilon = problem.detach(), problem.epsilon
        sides = validate_marginals(fixed.a, fixed.b, epsilon=epsilon, tau=problem.taus)
        clouds = [_Cloud.of(row, fixed, sides) for row in range(len(fixed.a))]
        parts = [cloud.solve(problem.symmetric, stopping) for cloud in clouds]
        u, v, steps, errors = (torch.stack(part) for part in zip(*parts, strict=True))
        optimum = sides.optimum(u, v, epsilon)

        def pull(gradient: Tensor) -> tuple[Tensor, ...]:
            to_x, to_y = torch.zeros_like(fixed.x), torch.zeros_like(fixed.y)
            for row, cloud in enumerate(clouds):
                scalings = optimum.log_p[row], optimum.log_q[row]
                pull_x, pull_y = cloud.pull(gradient[row], *scalings)
                to_x[row, cloud.at_x], to_y[row, cloud.at_y] = pull_x, pull_y
            slopes = optimum.slope_a, optimum.slope_b
            return to_x, to_y, *((slope * gradient[:, None]).to(fixed.a) for slope in slopes)

        def plan() -> Tensor:
            cost = fixed.cost(fixed.x, fixed.y)
            return defer_plan(cost, optimum.log_p, optimum.log_q, epsilon)()

        inputs = (problem.x, problem.y, problem.a, problem.b)
        return Transport.from_potentials(
            sides,
            optimum.f,
            optimum.g,
            value=attach_gradient(optimum.value.to(fixed.x), inputs, pull),
            plan=plan,
            iterations=steps,
            error=errors,
            converged=errors <= stopping.tolerance,
            mass=optimum.mass,
        )


@dataclass(frozen=True, eq=False)
class _Cloud:
    """One problem between the points with mass: ``x [n, D]`` and ``y [m, D]``, at positions ``at_x`` and ``at_y``."""

    row: int
    x: Tensor
    y: Tensor
    at_x: Tensor
    at_y: Tensor
    sides: Marginals
    cost: CostFunction
    epsilon: float

    @classmethod
    def of(cls, row: int, problem: PointCloudProblem, sides: Marginals) -> _Cloud:
        at_x, at_y = (side[row].nonzero()[:, 0] for side in (sides.a, sides.b))
        return cls(
            row=row,
            x=problem.x[row, at_x],
            y=problem.y[row, at_y],
            at_x=at_x,
            at_y=at_y,
            sides=sides,
            cost=problem.cost,
            epsilon=problem.epsilon,
        )

    def solve(self, symmetric: bool, stopping: Stopping) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the potentials of all positions (0 where there is no mass), iterations and error."""
        limit = stopping.max_iterations
        cooled = min(COOLING, limit)
        u, v = self._cool(symmetric, cooled)
        omega, before = torch.full_like(v[0], OMEGA), torch.full_like(v[0], torch.inf)
        for step in range(cooled, limit + 1):
            checked = step == limit or (step - cooled) % CHECK_EVERY == 0
            exact = symmetric or checked
            u, update, inflow = self._iterate(u, v, 1.0, None if exact else omega)
            if checked:
                error = self._error(v, inflow)
                if bool(error <= stopping.tolerance):
                    break
                omega, before = fit_relaxation(error, before, omega), error
            if step < limit:
                v = (u + v) / 2 if symmetric else torch.lerp(v, update, omega)
        return (
            torch.zeros_like(self.sides.a[self.row]).index_put((self.at_x,), u),
            torch.zeros_like(self.sides.b[self.row]).index_put((self.at_y,), v),
            torch.tensor(step, device=u.device),
            error,
        )

    def pull(self, gradient: Tensor, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both sides' points for the value's ``gradient []``, tile by tile."""
        to_x, to_y = torch.zeros_like(self.x), torch.zeros_like(self.y)
        for rows in self._tiles():
            with torch.enable_grad():
                x, y = self.x[rows].requires_grad_(), self.y.detach().requires_grad_()
                cost = self.cost(x[None], y[None])
            exponent = log_q[self.at_y] - cost[0].detach() / self.epsilon
            plan = exponent.add_(log_p[self.at_x[rows], None]).exp_()
            by_x, by_y = torch.autograd.grad(cost, (x, y), (gradient * plan)[None].to(cost))
            to_x[rows] = by_x
            to_y.add_(by_y)
        return to_x, to_y

    def _cool(self, symmetric: bool, count: int) -> tuple[Tensor, Tensor]:
        start = (self._range() / 10).clamp_min(1)
        u = torch.zeros_like(self._at(self.sides.log_a, self.at_x))
        v = torch.zeros_like(self._at(self.sides.log_b, self.at_y))
        for sweep in range(1, count + 1):
            u, update, _ = self._iterate(u, v, start ** (1 - sweep / count), None)
            v = (u + v) / 2 if symmetric else update
        return u, v

    def _iterate(
        self, u: Tensor, v: Tensor, temperature: Tensor | float, omega: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run one pass over the tiles.

        Returns the rows, relaxed by ``omega`` if given; the columns' update at them; and the logarithm of the columns'
        inflow over exp(v).
        """
        log_a = self._at(self.sides.log_a, self.at_x)
        log_b = self._at(self.sides.log_b, self.at_y)
        stiff_rows, stiff_columns = (
            -1 / (1 + ratio[self.row] * temperature)
            for ratio in (self.sides.eps_over_tau_rows, self.sides.eps_over_tau_columns)
        )
        rows, inflow = torch.empty_like(u), torch.full_like(v, -torch.inf)
        for tile in self._tiles():
            exponent = self._exponent(tile) / temperature
            exact = stiff_rows * (log_b + v / temperature - exponent).logsumexp(1) * temperature
            rows[tile] = exact if omega is None else torch.lerp(u[tile], exact, omega)
            outflow = (log_a[tile] + rows[tile] / temperature)[:, None] - exponent
            inflow = torch.logaddexp(inflow, outflow.logsumexp(0))
        return rows, stiff_columns * inflow * temperature, inflow

    def _error(self, v: Tensor, inflow: Tensor) -> Tensor:
        log_b = self._at(self.sides.log_b, self.at_y)
        target = log_b - self.sides.eps_over_tau_columns[self.row] * v
        return (torch.exp(log_b + v + inflow) - torch.exp(target)).abs().sum()

    def _range(self) -> Tensor:
        """Return the cost's range over epsilon.

        Raises:
            ProblemError: If the range is not finite, naming the problem.
        """
        extremes = [self._exponent(tile).aminmax() for tile in self._tiles()]
        lowest, highest = (torch.stack(side) for side in zip(*extremes, strict=True))
        width = highest.max() - lowest.min()
        if not bool(width.isfinite()):
            raise ProblemError(
                f"problem {self.row}: a cost between two real words is not finite",
                "look for NaN or infinity in the vectors that the cost was computed from",
            )
        return width

    def _exponent(self, rows: slice) -> Tensor:
        return to_solver_dtype(self.cost(self.x[None, rows], self.y[None])[0]) / self.epsilon

    def _tiles(self) -> Iterator[slice]:
        height = max(1, TILE // len(self.y))
        return (slice(start, start + height) for start in range(0, len(self.x), height))

    def _at(self, log_masses: Tensor, positions: Tensor) -> Tensor:
        return log_masses[self.row, positions]
