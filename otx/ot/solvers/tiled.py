"""Large problems between vectors in bounded memory: the cost is made tile by tile, and never stands whole.

A tile is all columns of some rows. Its rows' potentials need no other tile, so one pass over the tiles
is a whole iteration of Sinkhorn, and costs one product of the vectors. The log domain, float64, cooled
as in ``sinkhorn_log`` and then over-relaxed as in ``sinkhorn_kernel``; nothing comes after that, since
Newton's matrix would be as large as the cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.costs.ground import CostFunction
from otx.ot.precision import at_least_float32, no_autocast, to_solver_dtype
from otx.ot.problems.marginals import Marginals, Taus, validate_marginals
from otx.ot.solvers.sinkhorn_kernel import CHECK_EVERY, OMEGA, fitting
from otx.ot.transport import Transport, plan_later, pulled

TILE = 2**22
"""Entries of a tile: 32 MiB in float64, of which a few stand at a time."""
COOLING = 12


def solve_tiled(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    cost: CostFunction,
    epsilon: float,
    tau: Taus,
    symmetric: bool,
    tolerance: float,
    max_iterations: int,
) -> Transport:
    """Transport between ``x [B, N, D]`` and ``y [B, M, D]`` with masses ``a [B, N]`` and ``b [B, M]``.

    One problem after the other; ``itself`` says that both sides are one, which takes fewer iterations.
    The result is ``otx.ot.solvers.solve.solve``'s with the gradient going to x and y, whose costs are made again
    for it, tile by tile. ``plan`` is the one thing that does not fit in bounded memory.
    """
    with no_autocast(x):
        x, y, a, b = (
            at_least_float32(x),
            at_least_float32(y),
            at_least_float32(a),
            at_least_float32(b),
        )
        points = x.detach(), y.detach()
        places = torch.arange(len(a), device=a.device)
        sides = validate_marginals(a.detach(), b.detach(), epsilon, tau, places)
        clouds = [_Cloud.of(row, points, sides, cost, epsilon) for row in range(len(a))]
        parts = [cloud.solve(symmetric, tolerance, max_iterations) for cloud in clouds]
        u, v, steps, errors = (torch.stack(part) for part in zip(*parts, strict=True))
        u, v = sides.centred(u, v)
        mass = sides.row_target(u).sum(1)
        slopes = [epsilon * slope for slope in sides.slopes(u, v)]
        log_p, log_q = sides.log_a + u, sides.log_b + v

        def pull(gradient: Tensor) -> tuple[Tensor, ...]:
            to_points = torch.zeros_like(points[0]), torch.zeros_like(points[1])
            for row, cloud in enumerate(clouds):
                cloud.pull(gradient[row], log_p[row], log_q[row], to_points)
            return *to_points, *((slope * gradient[:, None]).to(a) for slope in slopes)

        return Transport(
            value=pulled((epsilon * sides.dual(u, v, mass)).to(x), (x, y, a, b), pull),
            f=(epsilon * u).masked_fill(sides.a == 0, 0).to(x),
            g=(epsilon * v).masked_fill(sides.b == 0, 0).to(x),
            entries=lambda: plan_later(cost(*points), log_p, log_q, epsilon)(),
            iterations=steps,
            marginal_error=errors.to(x),
            converged=errors <= tolerance,
            mass=mass.to(x),
        )


@dataclass(frozen=True, eq=False)
class _Cloud:
    """One problem between the points with mass: ``x [n, D]`` and ``y [m, D]``, at places of the whole."""

    row: int
    x: Tensor
    y: Tensor
    at_x: Tensor
    at_y: Tensor
    sides: Marginals
    cost: CostFunction
    epsilon: float

    @classmethod
    def of(
        cls,
        row: int,
        points: tuple[Tensor, Tensor],
        sides: Marginals,
        cost: CostFunction,
        epsilon: float,
    ) -> _Cloud:
        at_x, at_y = (side[row].nonzero()[:, 0] for side in (sides.a, sides.b))
        x, y = points
        return cls(row, x[row, at_x], y[row, at_y], at_x, at_y, sides, cost, epsilon)

    def solve(
        self, symmetric: bool, tolerance: float, limit: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Potentials of all places (0 where there is no mass), iterations and error."""
        cooled = min(COOLING, limit)
        u, v = self._cooled(symmetric, cooled)
        omega, before = torch.full_like(v[0], OMEGA), torch.full_like(v[0], torch.inf)
        for step in range(cooled, limit + 1):
            checked = step == limit or (step - cooled) % CHECK_EVERY == 0
            exact = symmetric or checked
            u, update, inflow = self._iterated(u, v, 1.0, None if exact else omega)
            if checked:
                error = self._error(v, inflow)
                if bool(error <= tolerance):
                    break
                omega, before = fitting(error, before, omega), error
            if step < limit:
                v = (u + v) / 2 if symmetric else torch.lerp(v, update, omega)
        return (
            torch.zeros_like(self.sides.a[self.row]).index_put((self.at_x,), u),
            torch.zeros_like(self.sides.b[self.row]).index_put((self.at_y,), v),
            torch.tensor(step, device=u.device),
            error,
        )

    def pull(
        self, gradient: Tensor, log_p: Tensor, log_q: Tensor, into: tuple[Tensor, Tensor]
    ) -> None:
        """The value's ``gradient []`` through each tile's costs, written to its places of both sides."""
        pulls = torch.zeros_like(self.x), torch.zeros_like(self.y)
        for rows in self._tiles():
            with torch.enable_grad():
                x, y = self.x[rows].requires_grad_(), self.y.detach().requires_grad_()
                cost = self.cost(x[None], y[None])
            exponent = log_q[self.at_y] - cost[0].detach() / self.epsilon
            plan = exponent.add_(log_p[self.at_x[rows], None]).exp_()
            by_x, by_y = torch.autograd.grad(cost, (x, y), (gradient * plan)[None].to(cost))
            pulls[0][rows] = by_x
            pulls[1].add_(by_y)
        into[0][self.row, self.at_x], into[1][self.row, self.at_y] = pulls

    def _cooled(self, symmetric: bool, count: int) -> tuple[Tensor, Tensor]:
        start = (self._range() / 10).clamp_min(1)
        u = torch.zeros_like(self._log(self.sides.log_a, self.at_x))
        v = torch.zeros_like(self._log(self.sides.log_b, self.at_y))
        for sweep in range(1, count + 1):
            u, update, _ = self._iterated(u, v, start ** (1 - sweep / count), None)
            v = (u + v) / 2 if symmetric else update
        return u, v

    def _iterated(
        self, u: Tensor, v: Tensor, temperature: Tensor | float, omega: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One pass: rows, relaxed by ``omega`` if given, the columns' update at them, and the log of the columns'
        inflow over exp(v)."""
        log_a, log_b = (
            self._log(self.sides.log_a, self.at_x),
            self._log(self.sides.log_b, self.at_y),
        )
        stiff_rows, stiff_columns = (
            -1 / (1 + loose[self.row] * temperature)
            for loose in (self.sides.eps_over_tau_rows, self.sides.eps_over_tau_columns)
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
        log_b = self._log(self.sides.log_b, self.at_y)
        target = log_b - self.sides.eps_over_tau_columns[self.row] * v
        return (torch.exp(log_b + v + inflow) - torch.exp(target)).abs().sum()

    def _range(self) -> Tensor:
        """The cost's range over epsilon. Raises ProblemError for one that is not finite."""
        extremes = [self._exponent(tile).aminmax() for tile in self._tiles()]
        lowest, highest = (torch.stack(side) for side in zip(*extremes, strict=True))
        found = highest.max() - lowest.min()
        if not bool(found.isfinite()):
            raise ProblemError(
                f"problem {self.row}: a cost between two real words is not finite",
                "look for NaN or infinity in the vectors that the cost was computed from",
            )
        return found

    def _exponent(self, rows: slice) -> Tensor:
        return to_solver_dtype(self.cost(self.x[None, rows], self.y[None])[0]) / self.epsilon

    def _tiles(self) -> Iterator[slice]:
        height = max(1, TILE // len(self.y))
        return (slice(start, start + height) for start in range(0, len(self.x), height))

    def _log(self, log_masses: Tensor, places: Tensor) -> Tensor:
        return log_masses[self.row, places]
