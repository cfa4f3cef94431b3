"""Entropic transport with marginals relaxed by Kullback-Leibler divergences."""

from __future__ import annotations

from torch import Tensor

from otx.errors import ProblemError
from otx.ot.problems.marginals import BALANCED
from otx.ot.solvers.solve import ALTERNATING, solve
from otx.ot.transport import Transport


def unbalanced(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tau: float | tuple[float, float],
    tolerance: float = 1e-6,
    max_iterations: int = 200,
    initial: Tensor | None = None,
) -> Transport:
    """``min <P, C> + epsilon KL(P | a b^T) + tau_a KL(P 1 | a) + tau_b KL(P^T 1 | b)`` over P >= 0.

    ``tau`` is one number for both sides or a pair (tau_a, tau_b), of which one may be infinite:
    that marginal is then a constraint, and the problem is called semi-relaxed.

    KL is the generalised one, ``KL(p | q) = sum p log(p / q) - p + q``, in all three places
    (Chizat et al. 2018; Sejourne et al. 2019). ``cost [B, N, M]``; ``a [B, N]`` and ``b [B, M]``
    are non-negative, of any total, 0 at padding; ``epsilon`` and ``tau`` are in the cost's units:
    words whose costs are well above 2 tau are left without a partner.

    The optimum satisfies P 1 = a exp(-f / tau_a) and P^T 1 = b exp(-g / tau_b). The first holds to
    rounding, and ``marginal_error`` is the L1 distance, in mass, between the sides of the second.
    ``initial [B, M]`` are potentials g to start from.

    The plan is that of POT's ``ot.unbalanced.sinkhorn_unbalanced(a, b, C, reg=epsilon, reg_m=tau,
    reg_type="kl", c=a b^T)``. ``value`` is the whole objective above; POT's cost is <P, C>, and its
    "total" leaves the terms - p + q out of each KL. Costs are meant to be at least 0: one that is
    many times tau below it overflows, which shows as ``converged`` False.

    Raises ProblemError, naming the problem, as ``otx.ot.problems.entropic.validate`` says.
    """
    taus = tau if isinstance(tau, tuple) else (tau, tau)
    if taus == BALANCED:
        raise ProblemError("tau is inf on both sides", "use sinkhorn, which is that problem")
    return solve(
        cost,
        a,
        b,
        epsilon=epsilon,
        tau=taus,
        scheme=ALTERNATING,
        tolerance=tolerance,
        max_iterations=max_iterations,
        initial=initial,
    )
