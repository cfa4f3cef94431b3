"""The steps of one objective, in a process of its own: pairs a second, the objective's share, peak memory.

    python -m benchmarks.alignment.step 20 '{"align.objective": ["sinkhorn"], "data.corpus": [...]}'

The first number is how many steps are timed. The objective's share is its forward and backward pass on the encoder's
states, taken by themselves, over the whole step. Prints a line of JSON.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.job import make_job
from otx.alignment.trainable import TrainableAlignment
from otx.tensor_tree import map_tensors
from otx.training.fit import FitHooks, fit
from otx.training.optimizer import FitSettings
from otx.training.runtime import choose_autocast, seed_step
from otx.types import EncodedPair

WARM = 4
STEPS = 10_000
"""Steps of the run that is timed; only its first steps are done."""


def leaves(pair: EncodedPair) -> EncodedPair:
    """The same views cut off from the encoder, so that only the objective's own work is left."""

    def leaf(tensor: Tensor) -> Tensor:
        # Parameters are leaves themselves.
        if not tensor.requires_grad or tensor.is_leaf:
            return tensor
        return tensor.detach().requires_grad_()

    return replace(
        pair,
        source=map_tensors(leaf, pair.source),
        pivot=map_tensors(leaf, pair.pivot),
        views={view: map_tensors(leaf, value) for view, value in pair.views.items()},
    )


def whole_steps(job: TrainableAlignment, steps: int) -> tuple[float, float]:
    """Median seconds of a step, and pairs a second over all of them."""
    rows: list[dict[str, float]] = []
    hooks = FitHooks(
        started=lambda *_: None,
        step_finished=rows.append,
        checkpoint_saved=lambda _: None,
        notice=lambda _: None,
        stop_requested=lambda: len(rows) >= steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        autocast = choose_autocast("bf16", "cpu")
        fit_settings = FitSettings(STEPS, 1e-4, 1, checkpoint_every=10_000, autocast=autocast)
        fit(job, fit_settings, Path(folder), hooks)
    timed = rows[WARM:]
    seconds = sum(row["seconds"] for row in timed)
    return seconds / len(timed), sum(row["pairs"] for row in timed) / seconds


def objective_alone(job: TrainableAlignment, steps: int) -> float:
    """Mean seconds a step of the objective by itself, on the same batches."""
    seconds = []
    for step in range(steps):
        seed_step(1, step)
        for batch in job.micro_batches(step):
            with torch.autocast("cpu", torch.bfloat16):
                pair = leaves(job.views(job.collate(batch)))
                began = time.perf_counter()
                loss = job.objective(pair, batch.progress)
            loss.value.backward()
            seconds.append(time.perf_counter() - began)
    return statistics.mean(seconds[WARM:])


def main() -> None:
    """Measure and print."""
    steps, align = WARM + int(sys.argv[1]), json.loads(sys.argv[2])
    job = make_job(STEPS, **{key.replace(".", "__"): value for key, value in align.items()})
    second, rate = whole_steps(job, steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    share = objective_alone(job, steps) / second
    print(json.dumps({"rate": rate, "second": second, "share": share, "megabytes": peak}))


if __name__ == "__main__":
    main()
