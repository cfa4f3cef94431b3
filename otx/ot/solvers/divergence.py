"""The Sinkhorn divergence: entropic transport without its bias, so that equal sides are at 0."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from otx.ot.costs.ground import CostFunction
from otx.ot.precision import at_least_float32
from otx.ot.problems.marginals import BALANCED
from otx.ot.solvers.point_cloud import transport_between_points
from otx.ot.transport import Transport


@dataclass(frozen=True, eq=False)
class Divergence:
    """``value [B]``, differentiable, and the three transports that it is made of.

    ``cross`` is between the two sides, ``left`` between the first and itself, ``right`` between the
    second and itself.
    """

    value: Tensor
    cross: Transport
    left: Transport
    right: Transport


def divergence(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    cost: CostFunction,
    epsilon: float,
    tau: float | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
) -> Divergence:
    """``S = OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2 + epsilon / 2 (m(a) - m(b))^2``.

    ``x [B, N, D]`` and ``y [B, M, D]`` with masses ``a [B, N]`` and ``b [B, M]``, 0 at padding, of
    total m(a) and m(b). OT is ``sinkhorn``'s value, or with ``tau`` ``unbalanced``'s. The last term
    is there because OT's KL is generalised, and 0 where the masses are equal (Feydy et al., AISTATS
    2019; Sejourne et al. 2019, definition 6). S is 0 for equal sides and otherwise positive where
    exp(-cost / epsilon) is positive definite, which holds for half squared euclidean and euclidean;
    cosine sees directions only.

    The gradient is that of all three values, the self terms through both of their arguments.
    Raises ProblemError as ``otx.ot.problems.entropic.validate`` says.
    """

    solved = partial(
        transport_between_points,
        cost=cost,
        epsilon=epsilon,
        tau=BALANCED if tau is None else (tau, tau),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    cross = solved(x, y, a, b)
    left = solved(x, x, a, a, symmetric=True)
    right = solved(y, y, b, b, symmetric=True)
    mass_gap = at_least_float32(a).sum(1) - at_least_float32(b).sum(1)
    value = cross.value - (left.value + right.value) / 2 + epsilon / 2 * mass_gap.square()
    return Divergence(value, cross, left, right)
