"""Measure an alignment in two processes against one: pairs per second, bytes that travel, and time in collectives.

    python -m benchmarks.many_processes --corpus DATA/bitext/tatoeba/en-de --objective sinkhorn --steps 12

Trains the same micro-batches three times: in one process with one thread, in two processes with one thread each, and,
as the peer, in one process with two threads. Each line: pairs per second of the steps after the first, the ratio to the
peer, the megabytes that a process sends into collective operations in a step, their number, and the share of the step
that the host waits in them. Weights are not kept.

The last column is what ``scripts/simulate_scaling.py`` predicts for this machine, from the rate of a matrix product in
one thread, of a copy and of a sum over both processes, all measured here. ``--share`` is the share of the matrix rate
that training reaches in one process; see ``benchmarks.align_cpu``.

    python -m benchmarks.many_processes --shard --steps 12

adds a line for two processes whose encoders are sharded (``runtime.shard``), and the megabytes that a process keeps of
the trained encoder between steps: parameters, gradients and AdamW's moments.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import Result, record
from scripts.simulate_scaling import BUCKET, Machine, Model, Work, simulate

WARM_UP = 2
"""Steps whose time is not counted."""
SHARE = 0.6
"""Share of the matrix rate that training ``mini`` reaches in one process and one thread."""
COLLECTIVES = (
    "all_reduce",
    "all_gather_single",
    "all_gather_into_tensor",
    "all_gather_object",
    "reduce_scatter_single",
    "reduce_scatter_tensor",
    "broadcast",
    "broadcast_object_list",
)


class Traffic:
    """Counts calls, bytes and seconds of the collective operations of this process."""

    def __init__(self) -> None:
        self.calls, self.bytes, self.seconds = 0, 0, 0.0

    def install(self) -> None:
        """Count every operation from now on."""
        from torch import distributed

        from otx.training import reduction
        from otx.training.processes import ProcessGroup

        for name in COLLECTIVES:
            if hasattr(distributed, name):
                setattr(distributed, name, self._counted(getattr(distributed, name)))
        ProcessGroup.meet = self._timed(ProcessGroup.meet)  # type: ignore[method-assign]
        receive = reduction.BucketedReduction._receive
        reduction.BucketedReduction._receive = self._timed(receive)  # type: ignore[method-assign]

    def reset(self) -> None:
        """Begin again at 0."""
        self.__init__()  # type: ignore[misc]

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        timed = self._timed(function)

        def call(*arguments: Any, **options: Any) -> Any:
            given = [*arguments, *options.values()]
            tensors = [one for one in given if isinstance(one, torch.Tensor)]
            self.calls += 1
            # The last tensor is what is sent; the first may be where all is received.
            self.bytes += sum(one.numel() * one.element_size() for one in tensors[-1:])
            return timed(*arguments, **options)

        return call

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - began

        return call


def measure_child(arguments: argparse.Namespace) -> None:
    """Train in this process, and print the measurements of the first process as JSON on the last line.

    Args:
        arguments: The parsed command line.
    """
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    traffic = Traffic()
    traffic.install()
    from otx.alignment import align as alignment
    from otx.api.functions import align
    from otx.training.fit import FitHooks, fit

    rows: list[dict[str, float]] = []
    described: dict[str, Any] = {}
    kept = [0]

    def fitted(job: Any, settings: Any, folder: Path, hooks: FitHooks, **options: Any) -> int:
        step = hooks.step_finished
        kept[0] = kept_bytes(job.encoder.module)

        def finished(row: dict[str, float]) -> None:
            if row["step"] == WARM_UP:
                traffic.reset()
            rows.append({**row, "calls": traffic.calls, "bytes": traffic.bytes})
            rows[-1]["waited"] = traffic.seconds
            if row["step"] == arguments.steps:
                described["machine"] = machine_speeds()
            step(row)

        described.update(describe(job))
        return fit(
            job, settings, folder, dataclasses.replace(hooks, step_finished=finished), **options
        )

    alignment.fit = fitted  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        align(
            model=arguments.model,
            corpus=arguments.corpus,
            objective=arguments.objective,
            settings={
                "align.steps": arguments.steps,
                "data.batch_tokens": arguments.batch_tokens,
                "data.heldout": 0,
                "checkpoint.every": arguments.steps,
                "runtime.shard": arguments.shard,
                "runs.folder": os.environ.get("OTX_BENCHMARK_RUNS") or folder,
            },
        )
    if os.environ.get("RANK", "0") == "0":
        counted = rows[WARM_UP:]
        seconds = sum(row["seconds"] for row in counted)
        steps = len(counted)
        print(
            json.dumps(
                {
                    "pairs": sum(row["pairs"] for row in counted) / seconds,
                    "step": statistics.median(row["seconds"] for row in counted),
                    "megabytes": counted[-1]["bytes"] / steps / 1e6,
                    "calls": counted[-1]["calls"] / steps,
                    "waited": counted[-1]["waited"] / seconds,
                    "pairs_of_step": sum(row["pairs"] for row in counted) / steps,
                    **described,
                    "kept": kept[0] / 1e6,
                }
            )
        )


def describe(job: Any) -> dict[str, Any]:
    """Return the shape of a job's encoder and the lengths of its pairs, as the simulation takes them.

    Args:
        job: The alignment.
    """
    config = job.encoder.module.config
    lengths = job.material.tokenised[0].lengths
    source, pivot = lengths.mean(0).tolist()
    shape = {
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "inner": config.intermediate_size,
        "vocabulary": sum(map(len, job.encoder.module.get_input_embeddings().parameters())),
        "positions": config.max_position_embeddings,
    }
    spread = float(lengths.sum(1).std() / lengths.sum(1).mean())
    return {"model": shape, "work": {"source": source, "pivot": pivot, "spread": spread}}


def machine_speeds() -> dict[str, float]:
    """Return this process's operations a second of a matrix product, and bytes a second of a copy and of a sum."""
    import torch
    from torch import distributed

    def fastest(call: Callable[[], Any]) -> float:
        spent = []
        for _ in range(5):
            began = time.perf_counter()
            call()
            spent.append(time.perf_counter() - began)
        return min(spent)

    matrix, long = torch.randn(1024, 1024), torch.randn(2**24)
    speeds = {
        "rate": 2 * 1024**3 / fastest(lambda: matrix @ matrix),
        "memory": 2 * long.nbytes / fastest(long.clone),
        "inside": math.inf,
    }
    if distributed.is_initialized():
        bucket, count = torch.randn(BUCKET // 4), distributed.get_world_size()
        seconds = fastest(lambda: distributed.all_reduce(bucket))
        speeds["inside"] = 2 * (count - 1) / count * bucket.nbytes / seconds
    return speeds


def predict(measured: dict[str, Any], count: int, share: float) -> float:
    """Return the pairs per second that the simulation predicts.

    Args:
        measured: What a run has measured.
        count: Number of processes.
        share: Share of the matrix rate that training reaches.
    """
    speeds = measured["machine"]
    machine = Machine(
        rate=share * speeds["rate"],
        memory=speeds["memory"],
        node=count,
        inside=speeds["inside"],
        outside=math.inf,
        latency_inside=0.0,
        latency_outside=0.0,
    )
    work = Work(pairs=measured["pairs_of_step"], rows=None, **measured["work"])
    return work.pairs / simulate(Model(**measured["model"]), work, machine, count).seconds


def kept_bytes(module: Any) -> int:
    """Return the bytes that this process keeps of parameters, and of gradients and two moments of trained ones.

    Args:
        module: The module in training.
    """
    from otx.training.sharded_tensors import own_part

    return sum(
        own_part(p.detach()).numel() * p.element_size() * (4 if p.requires_grad else 1)
        for p in module.parameters()
    )


def measure(count: int, threads: int, *options: str) -> dict[str, Any]:
    """Run processes of this script, and return the measurements.

    Args:
        count: Number of processes.
        threads: Number of threads of each.
        *options: Further arguments of the script.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = [argument for argument in sys.argv[1:] if argument != "--shard"]
    script = [sys.executable, "-m", "benchmarks.many_processes", "--child", *given]
    with tempfile.TemporaryDirectory() as runs:
        place = {"OMP_NUM_THREADS": str(threads), "OTX_BENCHMARK_RUNS": runs}
        if count > 1:
            place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            place |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
        started = [
            subprocess.Popen(
                [*script, *options],
                env=os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                text=True,
            )
            for rank in range(count)
        ]
        printed, _ = started[0].communicate()
        if any(process.wait() for process in started):
            raise SystemExit("a process failed")
    measured: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return measured


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--corpus", default="sample:de")
    parser.add_argument("--objective", action="append")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--share", type=float, default=SHARE)
    parser.add_argument("--shard", action="store_true", help="also with sharded encoders")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.objective = arguments.objective or ["sinkhorn"]
    if arguments.child:
        return measure_child(arguments)
    peer = measure(1, 2)
    lines = [
        ("1 process, 2 threads (peer)", peer, 0),
        ("1 process, 1 thread", measure(1, 1), 1),
        ("2 processes, 1 thread each", measure(2, 1), 2),
    ]
    if arguments.shard:
        lines.append(("2 processes, sharded", measure(2, 1, "--shard"), 0))
    columns = ("pairs/s", "ratio", "MB/step", "calls", "waiting", "MB kept", "predicted")
    print(f"{'':28}" + "".join(f"{name:>10}" for name in columns))
    for label, measured, count in lines:
        cells = (
            f"{measured['pairs']:.1f}",
            f"{measured['pairs'] / peer['pairs']:.2f}",
            f"{measured['megabytes']:.2f}",
            f"{measured['calls']:.1f}",
            f"{measured['waited']:.1%}",
            f"{measured['kept']:.2f}",
            f"{predict(measured, count, arguments.share):.1f}" if count else "",
        )
        print(f"{label:28}" + "".join(f"{cell:>10}" for cell in cells))
    two = lines[2][1]
    predicted = predict(two, 2, arguments.share)
    record(
        Result(
            "pairs/s of two processes of one thread",
            f"{two['pairs']:.1f}",
            peer="one process of two threads",
            ratio=two["pairs"] / peer["pairs"],
        )
    )
    record(
        Result(
            "pairs/s of two processes, as simulated",
            f"{predicted:.1f}",
            peer="measured",
            ratio=predicted / two["pairs"],
        )
    )


if __name__ == "__main__":
    main()
