"""A plain Sinkhorn as one would write it in half an hour: batched, masked, in the log domain."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.peers.answers import Answer, Peer, falling
from benchmarks.peers.problems import Problems

CHECK_EVERY = 10


def plain_sinkhorn(
    cost: Tensor, a: Tensor, b: Tensor, *, epsilon: float, tolerance: float, most: int = 20_000
) -> Tensor:
    """Solve balanced entropic transport by plain log-domain iterations, in the dtype of the cost.

    Args:
        cost: Cost matrices ``[B, N, M]``; finite, also at padding.
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tolerance: L1 error of the worst problem's row sums at which the batch stops; checked every ten iterations.
        most: Largest number of iterations.

    Returns:
        The plans ``[B, N, M]``, whose column sums are exact.
    """
    exponent = -cost / epsilon
    log_a, log_b = a.log()[:, :, None], b.log()[:, None, :]
    u = torch.zeros_like(log_a)
    v = torch.zeros_like(log_b)
    for iteration in range(1, most + 1):
        u = -torch.logsumexp(exponent + log_b + v, 2, keepdim=True)
        v = -torch.logsumexp(exponent + log_a + u, 1, keepdim=True)
        if iteration % CHECK_EVERY == 0 or iteration == most:
            plan = torch.exp(exponent + log_a + u + log_b + v)
            if float((plan.sum(2) - a).abs().sum(1).max()) <= tolerance:
                break
    return plan


def _solve(problems: Problems, x: Tensor, y: Tensor, epsilon: float, tolerance: float) -> Answer:
    cost = problems.cost(x, y)
    plan = plain_sinkhorn(
        cost.detach(), problems.a, problems.b, epsilon=epsilon, tolerance=tolerance
    )
    # The plan is the slope of the regularised value by the cost; nothing flows through the iterations.
    return Answer((plan * cost).sum(), lambda: plan)


PLAIN = Peer(
    "plain",
    "plain torch log-domain Sinkhorn in float32, the batch at once, padding without mass",
    "tolerance",
    falling(1e-4, 1.1, 30),
    _solve,
)
