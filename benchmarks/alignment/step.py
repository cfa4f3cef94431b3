"""Time the steps of one objective in a process of its own: pairs a second, the objective's share, peak memory.

    python -m benchmarks.alignment.step 20 '{"align.objective": ["sinkhorn"], "data.corpus": [...]}'

The first number is how many steps are timed. The objective's share is its forward and backward pass over the whole
step. Prints a line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.device_clock import ObjectiveTimes
from benchmarks.job import make_job
from otx.training.fit import FitHooks, fit
from otx.training.optimizer import FitSettings
from otx.training.runtime import choose_autocast

WARM = 4
STEPS = 10_000
"""Steps of the run that is timed; only its first steps are done."""


def measure(settings: dict[str, Any], steps: int) -> dict[str, float]:
    """Return pairs per second, seconds per step, the objective's share, and peak memory in MB.

    Args:
        settings: Settings by name.
        steps: Steps that are timed, after some that are not.
    """
    job = make_job(STEPS, **{key.replace(".", "__"): value for key, value in settings.items()})
    times = ObjectiveTimes(job, torch.device("cpu"))
    rows: list[dict[str, float]] = []
    hooks = FitHooks(
        started=lambda *_: None,
        step_finished=rows.append,
        checkpoint_saved=lambda _: None,
        notice=lambda _: None,
        stop_requested=lambda: len(rows) >= WARM + steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        autocast = choose_autocast("bf16", "cpu")
        fit_settings = FitSettings(STEPS, 1e-4, 1, checkpoint_every=STEPS, autocast=autocast)
        fit(job, fit_settings, Path(folder), hooks)
    timed = rows[WARM:]
    seconds = sum(row["seconds"] for row in timed)
    return {
        "rate": sum(row["pairs"] for row in timed) / seconds,
        "second": seconds / len(timed),
        "share": times.seconds(WARM, WARM + steps) / seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[2]), int(sys.argv[1]))))
