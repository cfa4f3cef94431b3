"""Operations, waits for the device and time of transport calls with backward, compared with the path without kernels.

    python -m benchmarks.solver_calls [--device cpu] [--batches 1 16 128] [--words 64] [--pooled 1000 3000]

`sinkhorn` is given costs; `points` and `divergence` are given vectors; the objectives `sinkhorn` (sentences) and
`divergence` (pooled) are given a batch as the training loop makes it. A launch is a Triton kernel. An operation is one
of torch's, views left out; a wait is one that stops the host until the device is done. `left over` counts the problems
that did not converge on chip and went to the solver of all others. `before` is the same call without the kernels and
without the chunks of iterations. POT's `ot.batch.solve_batch` is given the same costs and an L2 error that is at least
as loose; its gradient is the plan's. Each wait is also checked by CUDA's own mode where there is a GPU.

On a CPU the kernels run in Triton's interpreter, which counts but does not time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from benchmarks.device_waits import counted
from otx.ot import cosine, divergence, sinkhorn, transport_between_points, uniform
from otx.ot.kernels import on_chip as launches
from otx.ot.solvers import in_chunks, on_chip
from otx.ot.transport import Transport
from otx.testing import example_pair
from otx_transport.divergence import Divergence
from otx_transport.options import DivergenceOptions, SinkhornOptions
from otx_transport.sinkhorn import Sinkhorn

DIMENSION = 256
EPSILON = 0.1
LIMIT = 2000
"""Maximum number of iterations of POT."""
Call = Callable[[], int]
"""A forward and a backward pass; it returns the number of problems left over."""


@contextmanager
def count_launches() -> Iterator[list[int]]:
    """Count kernels, whose interpreter is kept out of the count of operations.

    Yields:
        A list whose one number is the count so far.
    """
    count = [0]
    launch = launches._launch

    def counting(*arguments: Any, **constants: Any) -> None:
        count[0] += 1
        with _disable_current_modes():
            launch(*arguments, **constants)

    with mock.patch.object(launches, "_launch", counting):
        yield count


@contextmanager
def no_kernels() -> Iterator[None]:
    """Solve as where there is no kernel: every few iterations the host asks the device."""
    with (
        mock.patch.object(on_chip, "can_solve", lambda *_: False),
        mock.patch.object(in_chunks, "can_solve", lambda *_: False),
    ):
        yield


def sides(batch: int, lengths: tuple[int, int], device: str, seed: int = 0) -> tuple[Tensor, ...]:
    """Return word vectors with a planted matching, ragged unless there is one pair, and their masses.

    Args:
        batch: Number of pairs.
        lengths: Words of the longest sentence of each side.
        device: Device of the tensors.
        seed: Seed of the vectors.

    Returns:
        Vectors x and y, which require a gradient, and masses a and b.
    """
    generator = torch.Generator().manual_seed(seed)
    n, m = lengths
    x = torch.randn(batch, n, DIMENSION, generator=generator)
    order = torch.randint(n, (batch, m), generator=generator)
    noise = torch.randn(batch, m, DIMENSION, generator=generator)
    y = x.gather(1, order[:, :, None].expand(-1, -1, DIMENSION)) + 0.5 * noise
    masses = []
    for longest in lengths:
        words = torch.randint(min(4, longest), longest + 1, (batch, 1), generator=generator)
        words[0] = longest
        masses.append(uniform(torch.arange(longest) < words).to(device))
    return *(side.to(device).requires_grad_() for side in (x, y)), *masses


def sentence_calls(batch: int, words: int, device: str) -> dict[str, Call]:
    """Return the calls at sentence size.

    Args:
        batch: Number of sentence pairs.
        words: Words of the longest sentence.
        device: Device to compute on.

    Returns:
        The calls by name.
    """
    x, y, a, b = sides(batch, (words, max(1, words - 4)), device)
    cost = cosine(x, y).detach().requires_grad_()
    lengths = [(max(1, words - index % 9), max(1, words - index % 7)) for index in range(batch)]
    objective = Sinkhorn(SinkhornOptions(epsilon=EPSILON), DIMENSION)
    pair = _on(device, example_pair(objective.views, DIMENSION, lengths=lengths))
    return {
        "sinkhorn": lambda: _pull(sinkhorn(cost, a, b, epsilon=EPSILON)),
        "points": lambda: _pull(transport_between_points(x, y, a, b, cost=cosine, epsilon=EPSILON)),
        "divergence": lambda: _pull(divergence(x, y, a, b, cost=cosine, epsilon=EPSILON)),
        "objective sinkhorn": lambda: _pull(objective(pair)),
        "POT solve_batch": lambda: _pot(cost, a, b),
    }


def pooled_calls(n: int, m: int, device: str) -> dict[str, Call]:
    """Return the calls on one problem of all words of a batch.

    Args:
        n: Words of the source.
        m: Words of the pivot.
        device: Device to compute on.

    Returns:
        The calls by name.
    """
    x, y, a, b = sides(1, (n, m), device)
    cost = cosine(x, y).detach().requires_grad_()
    sentence = 20
    lengths = [(sentence, min(sentence, max(1, m * sentence // n)))] * max(1, n // sentence)
    objective = Divergence(DivergenceOptions(epsilon=EPSILON), DIMENSION)
    pair = _on(device, example_pair(objective.views, DIMENSION, lengths=lengths))
    return {
        "divergence": lambda: _pull(divergence(x, y, a, b, cost=cosine, epsilon=EPSILON)),
        "objective divergence": lambda: _pull(objective(pair)),
        "POT solve_batch, cross alone": lambda: _pot(cost, a, b),
    }


def report(name: str, call: Call, device: str, seconds: float) -> None:
    """Print one line: counts and time of a call, and of the same call without kernels.

    Args:
        name: Name of the call.
        call: The call.
        device: Device to compute on.
        seconds: Seconds for each time.
    """
    ours = not name.startswith("POT")
    line = f"  {name:30s}" + _measure(call, device, seconds)
    if ours:
        with no_kernels():
            line += "   before:" + _measure(call, device, seconds)
    print(line, flush=True)


def _measure(call: Call, device: str, seconds: float) -> str:
    call()  # compiles
    with count_launches() as kernels, counted() as mode:
        left_over = call()
    text = f" {mode.operations:5d} {mode.waits.total():4d} {kernels[0]:3d} {left_over:4d}"
    if device == "cpu":
        return text + "      -    -"
    return text + f" {_milliseconds(call, seconds):8.2f} {_waits_of_cuda(call):4d}"


def _pull(result: Any) -> int:
    value = result.value.mean()
    value.backward()
    transport = result if isinstance(result, Transport) else getattr(result, "cross", None)
    return transport.left_over if transport is not None else 0


def _pot(cost: Tensor, a: Tensor, b: Tensor) -> int:
    import ot.batch

    solved = ot.batch.solve_batch(cost.detach(), EPSILON, a, b, max_iter=LIMIT, tol=1e-6)
    (solved.plan * cost).sum((1, 2)).mean().backward()
    return 0


def _on(device: str, pair: Any) -> Any:
    with torch.no_grad():
        for encoded in (pair.source, pair.pivot):
            encoded.tokens = {
                layer: states.detach().to(device).requires_grad_()
                for layer, states in encoded.tokens.items()
            }
            encoded.mask = encoded.mask.to(device)
            encoded.word_index = encoded.word_index.to(device)
    return pair


def _milliseconds(call: Call, seconds: float) -> float:
    spent: list[float] = []
    began = time.perf_counter()
    while len(spent) < 5 or time.perf_counter() - began < seconds:
        torch.cuda.synchronize()
        before = time.perf_counter()
        call()
        torch.cuda.synchronize()
        spent.append(1000 * (time.perf_counter() - before))
    return statistics.median(spent)


def _waits_of_cuda(call: Call) -> int:
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return len(waits)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=["cuda", "cpu"])
    parser.add_argument("--batches", type=int, nargs="+", help="default 1 16 128; on a CPU 1 3")
    parser.add_argument("--words", type=int, help="longest sentence; default 40, on a CPU 14")
    parser.add_argument("--pooled", type=int, nargs="*", help="default 1000 3000; on a CPU 300")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each measurement")
    options = parser.parse_args(arguments)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_cpu = device == "cpu"
    if on_cpu and find_spec("triton"):
        os.environ.setdefault("TRITON_INTERPRET", "1")
    chip = "CPU, kernels interpreted" if on_cpu else torch.cuda.get_device_name()
    print(f"{chip}; torch {torch.__version__}; cosine cost, epsilon {EPSILON}, with backward")
    print("columns: operations, waits, launches, left over, ms, waits by CUDA's count")
    words = options.words or (14 if on_cpu else 40)
    for batch in options.batches or ([1, 3] if on_cpu else [1, 16, 128]):
        print(f"{batch} pairs of up to {words} words")
        for name, call in sentence_calls(batch, words, device).items():
            report(name, call, device, options.seconds)
    pooled = options.pooled if options.pooled is not None else ([300] if on_cpu else [1000, 3000])
    for n in pooled:
        print(f"pooled, {n} words against {n * 9 // 10}")
        for name, call in pooled_calls(n, n * 9 // 10, device).items():
            report(name, call, device, options.seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
