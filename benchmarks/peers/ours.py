"""The solver of otx as the benchmark calls it."""

from __future__ import annotations

from torch import Tensor

from benchmarks.peers.answers import Answer, Peer, falling
from benchmarks.peers.problems import Problems
from otx.ot import cosine, pairwise_sinkhorn, sinkhorn


def _solve(problems: Problems, x: Tensor, y: Tensor, epsilon: float, tolerance: float) -> Answer:
    if problems.grid:
        # Problem s S + t is between sentences s and t, so these are every sentence's masses once.
        a, b = problems.a[:: len(x)], problems.b[: len(y)]
        result = pairwise_sinkhorn(x, y, a, b, cost=cosine, epsilon=epsilon, tolerance=tolerance)
        return Answer(
            result.value.sum(), lambda: result.plan.flatten(0, 1), result.iterations.flatten()
        )
    result = sinkhorn(
        problems.cost(x, y), problems.a, problems.b, epsilon=epsilon, tolerance=tolerance
    )
    return Answer(result.value.sum(), lambda: result.plan, result.iterations)


OTX = Peer(
    "otx",
    "otx.ot.sinkhorn, the padded batch as it is, or otx.ot.pairwise_sinkhorn; tolerance set",
    "tolerance",
    falling(1e-4, 1.01, 30),  # it stops by the very error that is measured, but for rounding
    _solve,
)
