"""Times, what the machine can do at its best, and the bound on our solver that follows from that."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from benchmarks.peers.problems import Problems

FILLED = 0.01
"""Seconds that one sample fills at least, with as many calls as that takes."""


@dataclass
class Clock:
    """Repeated measurements of one action, in seconds a call.

    The first call warms up and says how many make a sample; it counts only where the action turns
    out so slow that it is not called again, after ``patience`` seconds in all.
    """

    action: Callable[[], object]
    device: str
    patience: float
    samples: list[float] = field(default_factory=list)
    spent: float = 0.0
    first: float | None = None

    def tick(self) -> None:
        """Take one more sample, unless that would try the patience."""
        if self.first is None:
            self.first = self._calls(1)
            self.spent += self.first
        calls = max(1, round(FILLED / max(self.first, 1e-9)))
        if self.spent + calls * self.first <= self.patience:
            self.samples.append(self._calls(calls))
            self.spent += calls * self.samples[-1]

    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self._known())

    def best(self) -> float:
        """The shortest of the samples."""
        return min(self._known())

    def _known(self) -> list[float]:
        return self.samples or [float("nan") if self.first is None else self.first]

    def _calls(self, calls: int) -> float:
        synchronise(self.device)
        began = time.perf_counter()
        for _ in range(calls):
            self.action()
        synchronise(self.device)
        return (time.perf_counter() - began) / calls


def synchronise(device: str) -> None:
    """Wait for what a GPU still has to do."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Rates:
    """The best that this machine was seen to do in float32, each a second.

    ``bandwidth``: bytes read from memory. ``vector``: multiply-adds of a matrix and a vector, in
    cache, many small or one large. ``matrix``: multiply-adds of batched products, as costs are made.
    """

    bandwidth: float
    vector: float
    matrix: float

    @classmethod
    def measured(cls, device: str) -> Rates:
        """Each the best of several tries."""
        big = torch.ones(64 << 20, device=device)  # 256 MiB: more than caches hold
        batch = 64 if device == "cpu" else 8192  # in a core's cache; enough to fill a GPU
        kernel = torch.rand(batch, 32, 32, device=device)
        words = torch.rand(batch, 32, 256, device=device)

        side = 256 if device == "cpu" else 8192
        square = torch.rand(side, side, device=device)

        def rate(amount: float, action: Callable[[], object]) -> float:
            clock = Clock(action, device, patience=2.0)
            for _ in range(7):
                clock.tick()
            return amount / clock.best()

        return cls(
            rate(4 * big.numel(), big.sum),
            max(
                rate(kernel.numel(), lambda: torch.bmm(kernel, words[:, :, :1])),
                rate(square.numel(), lambda: torch.mv(square, square[0])),
            ),
            rate(32 * words.numel(), lambda: torch.bmm(words, words.mT)),
        )

    def bound(self, problems: Problems, iterations: torch.Tensor, *, backward: bool) -> float:
        """Seconds that ``iterations [P]`` of ours cannot take less than, real words alone.

        The costs' product, and backward the two that lead to the vectors; the costs read once; and
        for each iteration two products of an N x M matrix with a vector.
        """
        n, m = problems.lengths()
        entries = n * m
        products = (3 if backward else 1) * int(entries.sum()) * problems.x.shape[2]
        swept = int((2 * entries * iterations.to(entries)).sum())
        read = 4 * int(entries.sum())
        return products / self.matrix + read / self.bandwidth + swept / self.vector
