"""Operations, waits for the device and time of transport calls with backward, compared with the path without kernels.

    python -m benchmarks.solver_calls [--device cpu] [--batches 1 16 128] [--words 64] [--pooled 1000 3000]

The word vectors are those of ``mini`` on the embedded sample. `sinkhorn` is given costs; `points` and `divergence` are
given vectors; the objectives `sinkhorn` (sentences) and `divergence` (pooled) are given a batch as the training loop
makes it. A launch is a Triton kernel. An operation is one of torch's, views left out; a wait is one that stops the host
until the device is done. `left over` counts the problems that did not converge on chip and went to the solver of all
others. `before` is the same call without the kernels and
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
from functools import cache
from importlib.util import find_spec
from itertools import cycle, islice
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils._python_dispatch import _disable_current_modes

from benchmarks.device_waits import counted
from benchmarks.peers.problems import LONGEST, SAMPLE, Pair, Problems, read_pairs
from benchmarks.record import Result, record
from otx.interfaces import Objective
from otx.ot import cosine, divergence, sinkhorn, transport_between_points
from otx.ot.kernels import on_chip as launches
from otx.ot.solvers import in_chunks, on_chip
from otx.ot.transport import Transport
from otx.testing import example_pair
from otx.types import EncodedPair
from otx_transport.divergence import Divergence
from otx_transport.options import DivergenceOptions, SinkhornOptions
from otx_transport.sinkhorn import Sinkhorn

DIMENSION = 256
"""Width of the vectors of ``mini``."""
EPSILON = 0.1
ENCODED = 512
"""Pairs of the sample that are encoded, once."""
MOST_OPERATIONS = 60
"""The aim: most operations of a call of `sinkhorn` whose problems all converge on chip, with one wait."""
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


def sentence_calls(batch: int, words: int, device: str) -> dict[str, Call]:
    """Return the calls at sentence size.

    Args:
        batch: Number of sentence pairs.
        words: Words of the longest sentence.
        device: Device to compute on.

    Returns:
        The calls by name.
    """
    pairs = _pairs(batch, words)
    x, y, a, b = _sides(pairs, device)
    cost = cosine(x, y).detach().requires_grad_()
    objective = Sinkhorn(SinkhornOptions(epsilon=EPSILON), DIMENSION)
    pair = _batch(objective, pairs, device)
    return {
        "sinkhorn": lambda: _pull(sinkhorn(cost, a, b, epsilon=EPSILON)),
        "points": lambda: _pull(transport_between_points(x, y, a, b, cost=cosine, epsilon=EPSILON)),
        "divergence": lambda: _pull(divergence(x, y, a, b, cost=cosine, epsilon=EPSILON)),
        "objective sinkhorn": lambda: _pull(objective(pair)),
        "POT solve_batch": lambda: _pot(cost, a, b),
    }


def pooled_calls(n: int, device: str) -> dict[str, Call]:
    """Return the calls on one problem of all words of a batch.

    Args:
        n: Words of the source; the last sentence may exceed them.
        device: Device to compute on.

    Returns:
        The calls by name.
    """
    pairs: list[Pair] = []
    for pair in _pairs(n, LONGEST):
        if sum(len(x) for x, _ in pairs) >= n:
            break
        pairs.append(pair)
    x, y, a, b = _sides(
        [(torch.cat([p[0] for p in pairs]), torch.cat([p[1] for p in pairs]))], device
    )
    cost = cosine(x, y).detach().requires_grad_()
    objective = Divergence(DivergenceOptions(epsilon=EPSILON), DIMENSION)
    pair = _batch(objective, pairs, device)
    return {
        "divergence": lambda: _pull(divergence(x, y, a, b, cost=cosine, epsilon=EPSILON)),
        "objective divergence": lambda: _pull(objective(pair)),
        "POT solve_batch, cross alone": lambda: _pot(cost, a, b),
    }


def _pairs(count: int, longest: int) -> list[Pair]:
    """Return the word vectors of some sentence pairs of the sample, again from its start where it is too short."""
    return list(islice(cycle(pair for pair in _sample() if max(map(len, pair)) <= longest), count))


@cache
def _sample() -> list[Pair]:
    """Encode the first pairs of the sample."""
    return read_pairs(SAMPLE, ENCODED)[1]


def _sides(pairs: list[Pair], device: str) -> tuple[Tensor, ...]:
    """Return vectors x and y, which require a gradient, and masses a and b."""
    problems = Problems.of("words", pairs, device)
    return problems.x.requires_grad_(), problems.y.requires_grad_(), problems.a, problems.b


def _batch(objective: Objective, pairs: list[Pair], device: str) -> EncodedPair:
    """Return an objective's batch whose sub-words have the vectors of their words."""
    lengths = [(len(x), len(y)) for x, y in pairs]
    batch = example_pair(objective.views, DIMENSION, lengths=lengths)
    for side, encoded in enumerate((batch.source, batch.pivot)):
        words = pad_sequence([pair[side] for pair in pairs], batch_first=True)
        index = encoded.word_index.clamp(min=0)[:, :, None].expand(-1, -1, DIMENSION)
        states = words.gather(1, index).to(device).requires_grad_()
        encoded.tokens = dict.fromkeys(encoded.tokens, states)
        encoded.mask = encoded.mask.to(device)
        encoded.word_index = encoded.word_index.to(device)
    return batch


def report(name: str, call: Call, device: str, seconds: float) -> None:
    """Print one line: counts and time of a call, and of the same call without kernels.

    Args:
        name: Name of the call.
        call: The call.
        device: Device to compute on.
        seconds: Seconds for each time.
    """
    ours = not name.startswith("POT")
    aim = (
        "`sinkhorn` with backward on a GPU, by its interpreted kernels"
        if name == "sinkhorn"
        else ""
    )
    line = f"  {name:30s}" + _measure(call, device, seconds, aim)
    if ours:
        with no_kernels():
            line += "   before:" + _measure(call, device, seconds)
    print(line, flush=True)


def _measure(call: Call, device: str, seconds: float, aim: str = "") -> str:
    call()  # compiles
    with count_launches() as kernels, counted() as mode:
        left_over = call()
    text = f" {mode.operations:5d} {mode.waits.total():4d} {kernels[0]:3d} {left_over:4d}"
    if aim and device == "cpu":
        waits = mode.waits.total()
        met = mode.operations <= MOST_OPERATIONS and waits <= 1 and not left_over
        counts = f"{mode.operations} operations, {waits} wait"
        record(Result(aim, counts, f"{MOST_OPERATIONS} operations, 1 wait", met))
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
    # The mode also warns, once, that it is a prototype.
    return sum("synchronizing" in str(wait.message) for wait in waits)


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
    if on_cpu and find_spec("triton") and "TRITON_INTERPRET" not in os.environ:
        # Triton reads this when it is imported, which transformers has done.
        again = [sys.executable, "-m", "benchmarks.solver_calls", *arguments]
        os.execve(sys.executable, again, {**os.environ, "TRITON_INTERPRET": "1"})
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
        print(f"pooled, {n} words of the source")
        for name, call in pooled_calls(n, device).items():
            report(name, call, device, options.seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
