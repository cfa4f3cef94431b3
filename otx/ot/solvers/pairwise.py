"""Transport between every sentence of one batch and every sentence of another: what a contrast needs.

128 sentences a side are 16,384 problems. Their costs come from one product of all words with all words,
a block of sentences at a time, and are made again for the gradient instead of being kept; on an NVIDIA GPU
cosine costs are never written at all (``otx.ot.kernels``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from otx.ot.costs.ground import CostFunction, cosine
from otx.ot.kernels import available, fits
from otx.ot.kernels.on_chip import solve_cosine
from otx.ot.precision import at_least_float32, no_autocast, to_solver_dtype
from otx.ot.problems.marginals import BALANCED, Marginals, Taus, raise_for, validate_marginals
from otx.ot.solvers.newton import Ascent
from otx.ot.solvers.solve import ALTERNATING, solve
from otx.ot.transport import Transport, plan_later, pulled

BLOCK = 2**22
"""Entries of the costs that stand at a time: 32 MiB in float64, of which a few."""


def pairwise_sinkhorn(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    cost: CostFunction,
    epsilon: float,
    tau: Taus = BALANCED,
    tolerance: float = 1e-4,
    max_iterations: int = 200,
) -> Transport:
    """Entropic transport between each of ``x [S, N, D]`` and each of ``y [T, M, D]``: S T problems.

    Masses ``a [S, N]`` and ``b [T, M]``, 0 at padding, where vectors may hold anything; ``tau`` as for
    ``unbalanced``, both infinite for ``sinkhorn``. In the result ``[S, T]`` stands where else there is
    ``[B]``: ``value [S, T]``, ``f [S, T, N]``, ``plan [S, T, N, M]``. The gradient is the envelope's, by
    the vectors and the masses. ``tolerance`` is what float32 can see; on chip, the error is also float32's.

    Raises ProblemError as ``otx.ot.problems.entropic.validate`` says, for problem s T + t.
    """
    with no_autocast(x):
        x, y, a, b = (
            at_least_float32(x),
            at_least_float32(y),
            at_least_float32(a),
            at_least_float32(b),
        )
        here = _Grid.of(x.detach(), y.detach(), a.detach(), b.detach(), cost, epsilon, tau)
        found = here.solved(tolerance, max_iterations)
        u, v = here.sides.centred(found.u, found.v)
        mass = here.sides.row_target(u).sum(1)
        value = epsilon * here.sides.dual(u, v, mass)
        log_p, log_q = here.sides.log_a + u, here.sides.log_b + v

        def shaped(pairs: Tensor) -> Tensor:
            return pairs.reshape(len(x), len(y), *pairs.shape[1:])

        def pull(gradient: Tensor) -> tuple[Tensor, ...]:
            weights = gradient.flatten()
            slopes = (
                shaped(epsilon * slope * weights[:, None]).sum(1 - side)
                for side, slope in enumerate(here.sides.slopes(u, v))
            )
            to_a, to_b = slopes
            return *here.pull(weights, log_p, log_q), to_a.to(a), to_b.to(b)

        return Transport(
            value=pulled(shaped(value).to(x), (x, y, a, b), pull),
            f=shaped((epsilon * u).masked_fill(here.sides.a == 0, 0)).to(x),
            g=shaped((epsilon * v).masked_fill(here.sides.b == 0, 0)).to(x),
            entries=lambda: shaped(here.plan(log_p, log_q)),
            iterations=shaped(found.steps),
            marginal_error=shaped(found.error).to(x),
            converged=shaped(found.error <= tolerance),
            mass=shaped(mass).to(x),
        )


@dataclass(frozen=True, eq=False)
class _Grid:
    """All pairs of ``x [S, N, D]`` and ``y [T, M, D]``, zeros at padding; pair s T + t is a row of ``sides``."""

    x: Tensor
    y: Tensor
    sides: Marginals
    cost: CostFunction
    epsilon: float
    tau: Taus

    @classmethod
    def of(
        cls,
        x: Tensor,
        y: Tensor,
        a: Tensor,
        b: Tensor,
        cost: CostFunction,
        epsilon: float,
        tau: Taus,
    ) -> _Grid:
        left, right, pairs = len(x), len(y), torch.arange(len(x) * len(y), device=x.device)
        sides = validate_marginals(
            a.repeat_interleave(right, 0), b.repeat(left, 1), epsilon, tau, pairs
        )
        x, y = (side.masked_fill((mass == 0)[:, :, None], 0) for side, mass in ((x, a), (y, b)))
        broken = ~torch.cartesian_prod(*(side.isfinite().all(2).all(1) for side in (x, y)))
        raise_for(
            pairs,
            broken.reshape(-1, 2).any(1),
            "a vector of a real word is not finite",
            "look for NaN or infinity in what the encoder made of the sentence",
        )
        return cls(x, y, sides, cost, epsilon, tau)

    def solved(self, tolerance: float, limit: int) -> Ascent:
        """All pairs: on chip where that can be, the rest and what is left block by block."""
        found = self._on_chip(tolerance, limit)
        for pairs, rows in self._blocks():
            left = ~(found.error[pairs] <= tolerance)
            if bool(left.any()):
                index = pairs[left]
                part = solve(
                    self._costs(self.x[rows], self.y)[left],
                    self.sides.a[index],
                    self.sides.b[index],
                    epsilon=self.epsilon,
                    tau=self.tau,
                    scheme=ALTERNATING,
                    tolerance=tolerance,
                    max_iterations=limit,
                )
                u, v = (to_solver_dtype(side) / self.epsilon for side in (part.f, part.g))
                error = to_solver_dtype(part.marginal_error)
                found.put(index, Ascent(u, v, part.iterations, error))
        return found

    def pull(self, weights: Tensor, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
        """What the pairs' ``weights [P]`` make of the vectors' gradients."""
        to_x, to_y = torch.zeros_like(self.x), torch.zeros_like(self.y)
        for pairs, rows in self._blocks():
            with torch.enable_grad():
                x, y = self.x[rows].requires_grad_(), self.y.detach().requires_grad_()
                costs = self._costs(x, y)
            plan = plan_later(costs, log_p[pairs], log_q[pairs], self.epsilon)()
            pull = plan * weights[pairs, None, None].to(plan)
            by_x, by_y = torch.autograd.grad(costs, (x, y), pull)
            to_x[rows] = by_x
            to_y.add_(by_y)
        return to_x, to_y

    def plan(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """All plans ``[P, N, M]``, however many entries that are."""
        return torch.cat(
            [
                plan_later(
                    self._costs(self.x[rows], self.y), log_p[pairs], log_q[pairs], self.epsilon
                )()
                for pairs, rows in self._blocks()
            ]
        )

    def _on_chip(self, tolerance: float, limit: int) -> Ascent:
        """The whole grid by the kernel that makes its costs itself; an error that is not within tolerance where
        that cannot be or did not do."""
        if (
            self.cost is not cosine
            or not available(self.x)
            or not fits(self.x.shape[1], self.y.shape[1])
        ):
            return Ascent.at(self.sides, self.sides.b.new_zeros(self.sides.b.shape), 0)
        left, right = len(self.x), len(self.y)
        solved = solve_cosine(
            self.x,
            self.y,
            self.sides.a[:: max(right, 1)],
            self.sides.b[:right],
            epsilon=self.epsilon,
            tau=self.tau,
            tolerance=tolerance,
            limit=limit,
            pairwise=True,
        )
        u, v, steps, error = (
            part.reshape(left * right, *part.shape[2:])
            for part in (solved.u, solved.v, solved.steps, solved.error)
        )
        return Ascent(to_solver_dtype(u), to_solver_dtype(v), steps.long(), to_solver_dtype(error))

    def _blocks(self) -> Iterator[tuple[Tensor, slice]]:
        """Pairs ``[R T]`` and the R sentences of the first side that they are of."""
        entries = self.x.shape[1] * self.y.shape[1] * len(self.y)
        height = max(1, BLOCK // max(entries, 1))
        for start in range(0, len(self.x), height):
            stop = min(start + height, len(self.x))
            pairs = torch.arange(start * len(self.y), stop * len(self.y), device=self.x.device)
            yield pairs, slice(start, stop)

    def _costs(self, x: Tensor, y: Tensor) -> Tensor:
        """``[R T, N, M]`` of ``x [R, N, D]`` and ``y [T, M, D]``, by one product of all words with all words."""
        flat = self.cost(x.reshape(1, -1, x.shape[2]), y.reshape(1, -1, y.shape[2]))[0]
        blocks = flat.reshape(*x.shape[:2], *y.shape[:2])
        return blocks.transpose(1, 2).flatten(0, 1)
