"""Statements of transport problems: costs or points, masses, and regularisation.

A statement checks nothing. ``otx.ot.problems.entropic.validate`` checks it and turns it into the form that the
solvers iterate on.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, replace

from torch import Tensor

from otx.ot.costs.ground import CostFunction
from otx.ot.precision import at_least_float32

Taus = tuple[float, float]
"""Prices of missing the source's and the target's marginal, in the cost's unit; infinite makes it a constraint."""
BALANCED: Taus = (math.inf, math.inf)
"""Both marginals are constraints."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A batch of entropic transport problems, given by cost matrices.

    Each problem minimises ``<P, C> + epsilon KL(P | a b^T) + tau_a KL(P 1 | a) + tau_b KL(P^T 1 | b)`` over plans
    ``P >= 0``. An infinite tau makes its marginal a constraint.

    Attributes:
        cost: Cost matrices ``[B, N, M]``, any unit. Entries without mass may hold anything.
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tau: Price of missing a marginal, in the unit of ``cost``: one number, or a pair (source, target).
        symmetric: True if every problem is a side against itself: ``b`` is ``a`` and ``cost`` is symmetric. Solvers
            then take fewer iterations.

    Example:
        >>> import torch
        >>> half = torch.full((1, 2), 0.5)
        >>> Problem(torch.rand(1, 2, 2), half, half, epsilon=0.1, tau=0.5).taus
        (0.5, 0.5)
    """

    cost: Tensor
    a: Tensor
    b: Tensor
    _: KW_ONLY
    epsilon: float
    tau: float | Taus = BALANCED
    symmetric: bool = False

    @property
    def taus(self) -> Taus:
        """The prices of both marginals, (source, target)."""
        return self.tau if isinstance(self.tau, tuple) else (self.tau, self.tau)

    def at_least_float32(self) -> Problem:
        """Return the problem with every tensor in float32 or better (differentiable)."""
        cost, a, b = (at_least_float32(tensor) for tensor in (self.cost, self.a, self.b))
        return replace(self, cost=cost, a=a, b=b)

    def detach(self) -> Problem:
        """Return the problem with every tensor detached."""
        return replace(self, cost=self.cost.detach(), a=self.a.detach(), b=self.b.detach())


@dataclass(frozen=True, eq=False)
class PointCloudProblem:
    """A batch of entropic transport problems, given by points and a cost between them.

    The problems are those of ``Problem`` with ``cost(x, y)`` as cost matrices, which large problems never hold as
    a whole.

    Attributes:
        x: Source points ``[B, N, D]``.
        y: Target points ``[B, M, D]``.
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        cost: Cost between points.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tau: Price of missing a marginal, in the unit of ``cost``: one number, or a pair (source, target).
        symmetric: True if ``y`` is ``x`` and ``b`` is ``a``. Solvers then take fewer iterations.

    Example:
        >>> import torch
        >>> from otx.ot import cosine
        >>> x, half = torch.randn(1, 2, 8), torch.full((1, 2), 0.5)
        >>> PointCloudProblem(x, x, half, half, cost=cosine, epsilon=0.1).to_problem().cost.shape
        torch.Size([1, 2, 2])
    """

    x: Tensor
    y: Tensor
    a: Tensor
    b: Tensor
    _: KW_ONLY
    cost: CostFunction
    epsilon: float
    tau: float | Taus = BALANCED
    symmetric: bool = False

    @property
    def taus(self) -> Taus:
        """The prices of both marginals, (source, target)."""
        return self.tau if isinstance(self.tau, tuple) else (self.tau, self.tau)

    def at_least_float32(self) -> PointCloudProblem:
        """Return the problem with every tensor in float32 or better (differentiable)."""
        x, y, a, b = (at_least_float32(side) for side in (self.x, self.y, self.a, self.b))
        return replace(self, x=x, y=y, a=a, b=b)

    def detach(self) -> PointCloudProblem:
        """Return the problem with every tensor detached."""
        x, y, a, b = (side.detach() for side in (self.x, self.y, self.a, self.b))
        return replace(self, x=x, y=y, a=a, b=b)

    def to_problem(self) -> Problem:
        """Return the same problem with its cost matrices, differentiable by the points."""
        return Problem(
            self.cost(self.x, self.y),
            self.a,
            self.b,
            epsilon=self.epsilon,
            tau=self.tau,
            symmetric=self.symmetric,
        )
