"""How fast batches of sentence-sized transport problems are solved on chip, beside POT and GeomLoss.

    python benchmarks/on_chip.py [--batches 1 16 128 512] [--epsilons 0.02 0.05 0.1] [--longest 64]

Problems: unit vectors at random, the shorter side's copied with noise among the longer side's, ragged
(8 words to --longest), under the cosine cost, each to an L1 marginal error of 1e-4. Each line: the
median time in ms, after a warm-up; its ratio to the kernel that is given the cost; the largest L1 error of
both marginals of a problem's plan, in float64; and the most iterations. POT stops by an L2 error of its own, the
whole batch at once; bfloat16's error is mostly that of rounding the vectors, all errors being those of the
float32 cost's problem; GeomLoss, which has no such criterion, takes 100 iterations. `sinkhorn` is our whole solver,
of which the kernel is the start where there is one. Without a GPU: TRITON_INTERPRET=1 and --batches 2 --longest 12
show that it works, and no more.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from otx.ot.costs.ground import cosine
from otx.ot.kernels.on_chip import solve_cosine, solve_on_chip
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.problem import PointCloudProblem, Problem
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.stopping import Stopping

TOLERANCE = 1e-4
LIMIT = 2000
STOPPING = Stopping(TOLERANCE, LIMIT)
UNCHECKED = 100
GRID_LARGEST = 128


@dataclass(frozen=True, eq=False)
class Task:
    """A batch: vectors ``[B, N, D]`` and ``[B, M, D]``, masses, their cost, and the problem of epsilon."""

    x: Tensor
    y: Tensor
    a: Tensor
    b: Tensor
    cost: Tensor
    problem: EntropicProblem
    epsilon: float


def task(batch: int, longest: int, epsilon: float, device: str) -> Task:
    """Ragged problems with a planted matching, the same on every machine."""
    generator = torch.Generator().manual_seed(batch)
    x, y = torch.randn(2, batch, longest, 256, generator=generator)
    order = torch.rand(batch, longest, generator=generator).argsort(1)
    y = x.gather(1, order[:, :, None].expand_as(x)) + y
    lengths = torch.randint(8, longest + 1, (2, batch, 1), generator=generator)
    inside = torch.arange(longest) < lengths
    # The words that a sentence keeps are any of its x, so that some have lost their partner.
    a, b = (inside / lengths).to(device)
    x, y = (torch.nn.functional.normalize(vectors, dim=2).to(device) for vectors in (x, y))
    cost = cosine(x, y)
    problem = validate(Problem(cost, a, b, epsilon=epsilon))
    return Task(x, y, a, b, cost, problem, epsilon)


def contenders(on: Task) -> dict[str, Callable[[], tuple[Tensor, Any]]]:
    """Each by its name: a call that solves the batch and returns its plan (lazily) and iterations."""
    problem, epsilon = on.problem, on.epsilon
    single = EntropicProblem(
        *(getattr(problem, name).float() for name in problem.__dataclass_fields__)
    )
    half = on.x.bfloat16(), on.y.bfloat16()

    def fused(x: Tensor, y: Tensor) -> Any:
        points = PointCloudProblem(x, y, on.a, on.b, cost=cosine, epsilon=epsilon)
        return solve_cosine(points, STOPPING)

    found: dict[str, Callable[[], Any]] = {
        "kernel, cost given": lambda: solve_on_chip(single, STOPPING),
        "kernel, fused, float32": lambda: fused(on.x, on.y),
        "kernel, fused, bfloat16": lambda: fused(*half),
        "sinkhorn": lambda: sinkhorn(on.cost, on.a, on.b, epsilon=epsilon, tolerance=TOLERANCE),
    }
    if find_spec("ot"):
        batched = import_module("ot.batch").solve_batch
        found["POT solve_batch"] = lambda: batched(
            on.cost, epsilon, on.a, on.b, max_iter=LIMIT, tol=TOLERANCE, grad="detach"
        )
    if find_spec("geomloss"):
        solve_batch = import_module("geomloss.ot").solve_batch
        found["GeomLoss solve_batch"] = lambda: solve_batch(
            on.cost, reg=epsilon, a=on.a, b=on.b, max_iter=UNCHECKED
        )
    return found


def error(on: Task, result: Any) -> float:
    """The largest L1 distance of a plan's two marginals from the masses."""
    plan = result.plan if hasattr(result, "plan") else on.problem.plan(result.u, result.v)
    rows = (plan.double().sum(2) - on.problem.a).abs().sum(1)
    return float((rows + (plan.double().sum(1) - on.problem.b).abs().sum(1)).max())


def iterations(result: Any) -> str:
    """The most iterations of a problem, where the solver tells."""
    for name in ("steps", "iterations"):
        if hasattr(result, name):
            return str(int(getattr(result, name).max()))
    log = getattr(result, "log", None)
    return str(log["n_iter"]) if isinstance(log, dict) and "n_iter" in log else "-"


def milliseconds(call: Callable[[], Any], device: str, budget: float) -> float:
    """Median time of one call, over as many as the budget (s) allows, 3 at least."""
    spent: list[float] = []
    began = time.perf_counter()
    while len(spent) < 3 or (time.perf_counter() - began < budget and len(spent) < 100):
        if device == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            start.record()
            call()
            end.record()
            torch.cuda.synchronize()
            spent.append(start.elapsed_time(end))
        else:
            before = time.perf_counter()
            call()
            spent.append(1000 * (time.perf_counter() - before))
    return statistics.median(spent)


def compare(on: Task, device: str, budget: float) -> None:
    """One table: a batch at an epsilon."""
    first = 0.0
    for name, call in contenders(on).items():
        try:
            result = call()  # compiles, and warms up
        except Exception as problem:
            print(f"  {name:24s} failed: {type(problem).__name__}: {str(problem)[:200]}")
            continue
        spent = milliseconds(call, device, budget)
        first = first or spent
        print(
            f"  {name:24s} {spent:10.3f} {spent / first:8.2f} {error(on, result):10.1e}"
            f" {iterations(result):>6s}",
            flush=True,
        )


def grid(on: Task, device: str, budget: float) -> None:
    """All pairs of a batch at once, which a contrast needs."""
    count = min(len(on.x), GRID_LARGEST)
    inputs = [tensor[:count] for tensor in (on.x, on.y, on.a, on.b)]

    points = PointCloudProblem(*inputs, cost=cosine, epsilon=on.epsilon)

    def call() -> Any:
        return solve_cosine(points, STOPPING, pairwise=True)

    worst = float(call().error.max())
    spent = milliseconds(call, device, budget)
    print(f"  grid {count} x {count}: {spent:.3f} ms, reported error {worst:.1e}", flush=True)


def describe(device: str) -> None:
    """The machine and the versions."""
    versions = []
    for name in ("torch", "triton", "POT", "geomloss"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} absent")
    chip = torch.cuda.get_device_name() if device == "cuda" else "CPU, interpreted: not a timing"
    print(f"{chip}; Python {platform.python_version()}, {', '.join(versions)}")
    print("costs and vectors float32 unless said; sinkhorn's Newton steps float64")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 128, 512])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--longest", type=int, default=64, help="words of the longest sentence")
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each measurement")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    describe(device)
    for epsilon in options.epsilons:
        for batch in options.batches:
            on = task(batch, options.longest, epsilon, device)
            print(
                f"epsilon {epsilon:g}, batch {batch}\n{'ms':>37} {'ratio':>8} {'error':>10} {'its':>6}"
            )
            compare(on, device, options.seconds)
            grid(on, device, options.seconds)


if __name__ == "__main__":
    main()
