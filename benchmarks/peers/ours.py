"""otx's own solver as the benchmark calls it."""

from __future__ import annotations

from torch import Tensor

from benchmarks.peers.answers import Answer, Peer, falling
from benchmarks.peers.problems import Problems
from otx.ot.sinkhorn import sinkhorn


def _solve(problems: Problems, x: Tensor, y: Tensor, epsilon: float, tolerance: float) -> Answer:
    result = sinkhorn(
        problems.cost(x, y), problems.a, problems.b, epsilon=epsilon, tolerance=tolerance
    )
    return Answer(result.value.sum(), lambda: result.plan, result.iterations)


OTX = Peer(
    "otx",
    "otx.ot.sinkhorn, the padded batch as it is, tolerance set",
    "tolerance",
    falling(1e-4, 1.01, 30),  # it stops by the very error that is measured, but for rounding
    _solve,
)
