"""Balanced entropic transport."""

from __future__ import annotations

from torch import Tensor

from otx.ot.problems.problem import Problem
from otx.ot.solvers.solve import solve
from otx.ot.stopping import DEFAULT, Stopping
from otx.ot.transport import Transport


def sinkhorn(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tolerance: float = DEFAULT.tolerance,
    max_iterations: int = DEFAULT.max_iterations,
    initial: Tensor | None = None,
) -> Transport:
    """Solve balanced entropic optimal transport for a batch of problems.

    Minimises ``<P, C> + epsilon KL(P | a b^T)`` over plans ``P >= 0`` with row sums ``a`` and column sums ``b``.

    Each problem stops on its own. It converges where the cost's range is up to some thousands of epsilons. POT's
    ``ot.bregman.sinkhorn_log`` has the same plan; its value is ``<P, C>`` alone.

    Args:
        cost: Cost matrices ``[B, N, M]``, any unit. Entries without mass may hold anything, NaN included.
        a: Source masses ``[B, N]``; 0 marks padding. Each problem sums to the same mass as ``b``, as a rule to 1.
        b: Target masses ``[B, M]``; 0 marks padding.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tolerance: Stop a problem when the L1 error of its marginals, in mass, is within this.
        max_iterations: Upper limit per problem; unconverged problems are returned with ``converged=False``.
        initial: Target potentials g ``[B, M]`` to start from, in the unit of ``cost``. Default: zero.

    Returns:
        Value, potentials, plan and convergence of every problem. The potentials share a constant, chosen so that
        ``<a, f> = <b, g>``. ``value`` is then ``<a, f> + <b, g>`` where ``a`` and ``b`` sum to 1; before convergence
        it is a lower bound of the optimum.

    Raises:
        ProblemError: If epsilon is out of range, a mass is negative or not finite, a side has no mass, the sides have
            different masses, or a cost between entries with mass is not finite, naming the problem's index.

    Example:
        >>> import torch
        >>> cost = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]])
        >>> a, b = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 0.25, 0.25]])
        >>> result = sinkhorn(cost, a, b, epsilon=0.01)
        >>> result.plan.round(decimals=3)
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.2500, 0.2500]]])
        >>> result.converged
        tensor([True])

    References:
        Cuturi (2013), "Sinkhorn Distances". https://arxiv.org/abs/1306.0895
        Peyré and Cuturi (2019), "Computational Optimal Transport". https://arxiv.org/abs/1803.00567
    """
    problem = Problem(cost, a, b, epsilon=epsilon)
    return solve(problem, Stopping(tolerance, max_iterations), initial=initial)
