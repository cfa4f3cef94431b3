"""Times, the machine's best rates, and the bound on our solver that follows from them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from benchmarks.peers.problems import Problems

FILLED = 0.01
"""Shortest duration of one sample, in seconds; it has as many calls as that takes."""


@dataclass
class Clock:
    """Repeated measurements of one action, in seconds per call.

    The first call warms up and decides how many calls make a sample. It counts only if the action is so slow that it is
    not called again.

    Attributes:
        action: The action to time.
        device: Torch device to synchronise with.
        patience: Seconds to spend in all.
        samples: Seconds per call of every sample.
        spent: Seconds spent so far.
        first: Seconds of the first call.
    """

    action: Callable[[], object]
    device: str
    patience: float
    samples: list[float] = field(default_factory=list)
    spent: float = 0.0
    first: float | None = None

    def tick(self) -> None:
        """Take one more sample, unless that would exceed the patience."""
        if self.first is None:
            self.first = self._calls(1)
            self.spent += self.first
        calls = max(1, round(FILLED / max(self.first, 1e-9)))
        if self.spent + calls * self.first <= self.patience:
            self.samples.append(self._calls(calls))
            self.spent += calls * self.samples[-1]

    def median(self) -> float:
        """Return the median of the samples."""
        return statistics.median(self._known())

    def best(self) -> float:
        """Return the shortest of the samples."""
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
    """Wait until the GPU has finished its work.

    Args:
        device: Torch device; nothing happens unless it is a CUDA device.
    """
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Rates:
    """The best rates measured on this machine in float32, per second.

    Attributes:
        bandwidth: Bytes read from memory.
        vector: Multiply-adds of matrices and vectors in cache, many small or one large.
        matrix: Multiply-adds of batched products, as costs are computed.
    """

    bandwidth: float
    vector: float
    matrix: float

    @classmethod
    def measured(cls, device: str) -> Rates:
        """Measure each rate several times and keep the best.

        Args:
            device: Torch device.

        Returns:
            The rates.
        """
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
        """Return a lower bound in seconds on the time of our iterations, counting real words only.

        It adds the product for the costs (backward: two more, to the vectors), one read of the costs, and two products
        of an N x M matrix with a vector for each iteration.

        Args:
            problems: The problems.
            iterations: Iterations ``[P]`` of every problem.
            backward: Include the backward pass.

        Returns:
            The bound, in seconds.
        """
        n, m = problems.lengths()
        entries = n * m
        products = (3 if backward else 1) * int(entries.sum()) * problems.x.shape[2]
        swept = int((2 * entries * iterations.to(entries)).sum())
        read = 4 * int(entries.sum())
        return products / self.matrix + read / self.bandwidth + swept / self.vector
