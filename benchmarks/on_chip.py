"""Time the on-chip solution of batches of sentence-sized transport problems, compared with POT and GeomLoss.

    python benchmarks/on_chip.py [--batches 1 16 128 512] [--epsilons 0.02 0.05 0.1] [--longest 64]

Problems: random unit vectors, those of the shorter side copied with noise among those of the longer side, ragged (8
words to --longest), with the cosine cost, each solved to an L1 marginal error of 1e-4. Each line: the median time in
ms after a warm-up; its ratio to the kernel with a given cost; the largest L1 error of both marginals of a problem's
plan, in float64; and the largest number of iterations. POT stops by its own L2 error, for the whole batch at once.
The error of bfloat16 is mostly that of rounding the vectors, since all errors are those of the problem with the
float32 cost. GeomLoss has no such criterion and runs 100 iterations. `sinkhorn` is our whole solver, which starts
with the kernel if there is one. Without a GPU, TRITON_INTERPRET=1 and --batches 2 --longest 12 only show that it
works.
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
from otx.ot.kernels.on_chip import solve_costs, solve_points
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.problem import PointCloudProblem, Problem
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.stopping import Stopping

TOLERANCE = 1e-4
"""L1 marginal error to reach."""
LIMIT = 2000
"""Maximum number of iterations."""
STOPPING = Stopping(TOLERANCE, LIMIT)
UNCHECKED = 100
"""Number of iterations of a solver without a stopping criterion."""
GRID_LARGEST = 128
"""Size of the largest batch whose pairs are all solved."""


@dataclass(frozen=True, eq=False)
class Task:
    """A batch of problems.

    Attributes:
        x: Source vectors ``[B, N, D]``.
        y: Target vectors ``[B, M, D]``.
        a: Source masses ``[B, N]``.
        b: Target masses ``[B, M]``.
        cost: Cosine cost ``[B, N, M]``.
        problem: The entropic problem.
        epsilon: Its regularisation.
    """

    x: Tensor
    y: Tensor
    a: Tensor
    b: Tensor
    cost: Tensor
    problem: EntropicProblem
    epsilon: float


def task(batch: int, longest: int, epsilon: float, device: str) -> Task:
    """Return ragged problems with a planted matching, the same on every machine.

    Args:
        batch: Number of problems.
        longest: Words of the longest sentence.
        epsilon: Regularisation.
        device: Device of the tensors.
    """
    generator = torch.Generator().manual_seed(batch)
    x, y = torch.randn(2, batch, longest, 256, generator=generator)
    order = torch.rand(batch, longest, generator=generator).argsort(1)
    y = x.gather(1, order[:, :, None].expand_as(x)) + y
    lengths = torch.randint(8, longest + 1, (2, batch, 1), generator=generator)
    inside = torch.arange(longest) < lengths
    # A sentence keeps any of its words, so that some have no partner.
    a, b = (inside / lengths).to(device)
    x, y = (torch.nn.functional.normalize(vectors, dim=2).to(device) for vectors in (x, y))
    cost = cosine(x, y)
    problem = validate(Problem(cost, a, b, epsilon=epsilon))
    return Task(x, y, a, b, cost, problem, epsilon)


def contenders(on: Task) -> dict[str, Callable[[], tuple[Tensor, Any]]]:
    """Return a call for each solver that solves the batch.

    It returns the plan (lazily) and the iterations.

    Args:
        on: The batch.
    """
    epsilon = on.epsilon
    given = Problem(on.cost, on.a, on.b, epsilon=epsilon)
    half = on.x.bfloat16(), on.y.bfloat16()

    def fused(x: Tensor, y: Tensor) -> Any:
        points = PointCloudProblem(x, y, on.a, on.b, cost=cosine, epsilon=epsilon)
        return solve_points(points, STOPPING)

    calls: dict[str, Callable[[], Any]] = {
        "kernel, cost given": lambda: solve_costs(given, STOPPING),
        "kernel, fused, float32": lambda: fused(on.x, on.y),
        "kernel, fused, bfloat16": lambda: fused(*half),
        "sinkhorn": lambda: sinkhorn(on.cost, on.a, on.b, epsilon=epsilon, tolerance=TOLERANCE),
    }
    if find_spec("ot"):
        batched = import_module("ot.batch").solve_batch
        calls["POT solve_batch"] = lambda: batched(
            on.cost, epsilon, on.a, on.b, max_iter=LIMIT, tol=TOLERANCE, grad="detach"
        )
    if find_spec("geomloss"):
        solve_batch = import_module("geomloss.ot").solve_batch
        calls["GeomLoss solve_batch"] = lambda: solve_batch(
            on.cost, reg=epsilon, a=on.a, b=on.b, max_iter=UNCHECKED
        )
    return calls


def error(on: Task, result: Any) -> float:
    """Return the largest L1 distance of a plan's two marginals from the masses.

    Args:
        on: The batch.
        result: Result of a solver.
    """
    if hasattr(result, "plan"):
        plan = result.plan
    else:
        logs = result.log_p[:, :, None] + result.log_q[:, None, :]
        plan = torch.exp(logs - on.problem.exponent)
    rows = (plan.double().sum(2) - on.problem.a).abs().sum(1)
    return float((rows + (plan.double().sum(1) - on.problem.b).abs().sum(1)).max())


def iterations(result: Any) -> str:
    """Return the largest number of iterations, or "-" if it is not reported.

    Args:
        result: Result of a solver.
    """
    if hasattr(result, "iterations"):
        return str(int(result.iterations.max()))
    log = getattr(result, "log", None)
    return str(log["n_iter"]) if isinstance(log, dict) and "n_iter" in log else "-"


def milliseconds(call: Callable[[], Any], device: str, budget: float) -> float:
    """Return the median time of a call.

    Args:
        call: The call.
        device: Device that it computes on.
        budget: Seconds to spend; at least 3 calls are made.
    """
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
    """Print the table of one batch.

    Args:
        on: The batch.
        device: Device to compute on.
        budget: Seconds for each measurement.
    """
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
    """Time the solution of all pairs of a batch, as a contrastive loss needs it.

    Args:
        on: The batch.
        device: Device to compute on.
        budget: Seconds for the measurement.
    """
    count = min(len(on.x), GRID_LARGEST)
    inputs = [tensor[:count] for tensor in (on.x, on.y, on.a, on.b)]

    points = PointCloudProblem(*inputs, cost=cosine, epsilon=on.epsilon)

    def call() -> Any:
        return solve_points(points, STOPPING, grid=True)

    worst = float(call().error.max())
    spent = milliseconds(call, device, budget)
    print(f"  grid {count} x {count}: {spent:.3f} ms, reported error {worst:.1e}", flush=True)


def describe(device: str) -> None:
    """Print the machine and the versions.

    Args:
        device: Device to compute on.
    """
    versions = []
    for name in ("torch", "triton", "POT", "geomloss"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} absent")
    chip = torch.cuda.get_device_name() if device == "cuda" else "CPU, interpreted: not a timing"
    print(f"{chip}; Python {platform.python_version()}, {', '.join(versions)}")
    print("costs and vectors float32 unless said; the kernels' last iterations float64")


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
