"""Entropic transport with marginals relaxed by Kullback-Leibler divergences."""

from __future__ import annotations

from torch import Tensor

from otx.errors import ProblemError
from otx.ot.problems.problem import BALANCED, Problem
from otx.ot.solvers.solve import solve
from otx.ot.stopping import DEFAULT, Stopping
from otx.ot.transport import Transport


def unbalanced(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tau: float | tuple[float, float],
    tolerance: float = DEFAULT.tolerance,
    max_iterations: int = DEFAULT.max_iterations,
    initial: Tensor | None = None,
) -> Transport:
    """Solve unbalanced or semi-relaxed entropic optimal transport for a batch of problems.

    Minimises ``<P, C> + epsilon KL(P | a b^T) + tau_a KL(P 1 | a) + tau_b KL(P^T 1 | b)`` over plans ``P >= 0``, with
    the generalised ``KL(p | q) = sum p log(p / q) - p + q`` in all three places. Words whose costs are well above
    2 tau are left without a partner.

    The optimum satisfies ``P 1 = a exp(-f / tau_a)`` and ``P^T 1 = b exp(-g / tau_b)``. The first holds to rounding;
    ``marginal_error`` is the L1 distance, in mass, between the sides of the second.

    The plan is that of POT's ``ot.unbalanced.sinkhorn_unbalanced(a, b, C, reg=epsilon, reg_m=tau, reg_type="kl",
    c=a b^T)``. ``value`` is the whole objective above; POT's cost is ``<P, C>``, and its "total" leaves the terms
    ``- p + q`` out of each KL.

    Args:
        cost: Cost matrices ``[B, N, M]``, any unit. Entries without mass may hold anything. Costs are meant to be at
            least 0: one that is many times tau below it overflows, which shows as ``converged=False``.
        a: Source masses ``[B, N]``, of any total; 0 marks padding.
        b: Target masses ``[B, M]``, of any total; 0 marks padding.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tau: Price of missing a marginal, in the unit of ``cost``: one number for both sides, or a pair (source,
            target). One of the pair may be infinite: that marginal is then a constraint (semi-relaxed transport).
        tolerance: Stop a problem when the L1 error of its marginals, in mass, is within this.
        max_iterations: Upper limit per problem; unconverged problems are returned with ``converged=False``.
        initial: Target potentials g ``[B, M]`` to start from, in the unit of ``cost``. Default: zero.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If both taus are infinite, epsilon or tau is out of range, a mass is negative or not finite, a
            side has no mass, or a cost between entries with mass is not finite, naming the problem's index.

    Example:
        The second source word is far from every target word and keeps almost no mass:

        >>> import torch
        >>> cost = torch.tensor([[[0.0], [2.0]]])
        >>> result = unbalanced(cost, torch.full((1, 2), 0.5), torch.ones(1, 1), epsilon=0.05, tau=0.1)
        >>> result.plan.flatten().round(decimals=3)
        tensor([0.6600, 0.0000])

    References:
        Chizat et al. (2018), "Scaling algorithms for unbalanced optimal transport problems".
        https://arxiv.org/abs/1607.05816
        Séjourné et al. (2019), "Sinkhorn Divergences for Unbalanced Optimal Transport".
        https://arxiv.org/abs/1910.12958
    """
    problem = Problem(cost, a, b, epsilon=epsilon, tau=tau)
    if problem.taus == BALANCED:
        raise ProblemError("tau is inf on both sides", "use sinkhorn, which solves that problem")
    return solve(problem, Stopping(tolerance, max_iterations), initial=initial)
