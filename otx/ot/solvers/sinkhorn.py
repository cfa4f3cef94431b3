"""Balanced entropic transport."""

from __future__ import annotations

from torch import Tensor

from otx.ot.problems.marginals import BALANCED
from otx.ot.solvers.solve import ALTERNATING, solve
from otx.ot.transport import Transport


def sinkhorn(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
    initial: Tensor | None = None,
) -> Transport:
    """``min <P, C> + epsilon KL(P | a b^T)`` over plans P >= 0 with P 1 = a and P^T 1 = b.

    ``cost [B, N, M]``, in any units; ``a [B, N]`` and ``b [B, M]`` each sum to the same mass, as a
    rule 1, and are 0 at padding, where the cost may hold anything. ``epsilon`` is in the cost's
    units. ``initial [B, M]`` are potentials g to start from. The potentials of the result share a
    constant, chosen so that <a, f> = <b, g>; ``value`` is then <a, f> + <b, g> where a and b sum to
    1, a lower bound of the optimum before convergence. Each problem stops on its own, once its
    plan's marginals are within ``tolerance`` (L1, in mass); one that gets nowhere in
    ``max_iterations`` is returned as it is, with ``converged`` False. It converges where the cost's
    range is up to some thousands of epsilons.

    POT's ``ot.bregman.sinkhorn_log`` has the same plan; its value is <P, C> alone.

    Raises ProblemError, naming the problem, as ``otx.ot.problems.entropic.validate`` says.
    """
    return solve(
        cost,
        a,
        b,
        epsilon=epsilon,
        tau=BALANCED,
        scheme=ALTERNATING,
        tolerance=tolerance,
        max_iterations=max_iterations,
        initial=initial,
    )
