"""Compare the peak memory that ``otx align --dry-run`` predicts with that of real steps on a GPU.

    python -m benchmarks.gpu_memory [--device cuda] [--shape xlm-r-base e5-small] [--tokens 16384 65536]

Models, text and objective are those of ``benchmarks.align_gpu``: random weights, lengths of real pairs, `divergence`
with `keep-close`, bf16. The real steps are otx's own loop, and one of them has the largest micro-batch of the run. What
is compared is the most that PyTorch's allocator had given out at one time.

On a CPU, ``--shape tiny --device cpu`` shows the prediction alone.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from benchmarks.align_gpu import MODELS, RATE, Bench
from benchmarks.record import Result, record
from otx.alignment.peak_memory import largest_step, predict_peak
from otx.alignment.trainable import MicroBatch, TrainableAlignment
from otx.training.fit import FitHooks, fit
from otx.training.optimizer import FitSettings

STEPS = 4
LARGEST = 2
"""The step with the largest micro-batch: AdamW has its moments since the first one."""
CLOSE = 0.15
"""The aim: largest difference of prediction and measurement."""


def measured_peak(job: TrainableAlignment, autocast: torch.dtype | None) -> int:
    """Train some steps on a GPU, and return the peak of the allocated memory in bytes.

    Args:
        job: The alignment, on the GPU.
        autocast: Type that the forward pass is autocast to.
    """
    device = next(job.encoder.module.parameters()).device
    torch.cuda.reset_peak_memory_stats(device)
    draw, largest = job.micro_batches, largest_step(job)

    def drawn(step: int) -> list[MicroBatch]:
        """Return the largest micro-batch at one step; each step measures the gradient of every objective."""
        batches = draw(largest if step == LARGEST else step)
        return [replace(batch, measured=True) for batch in batches]

    hooks = FitHooks(
        started=lambda *_: None,
        step_finished=lambda _: None,
        checkpoint_saved=lambda _: None,
        notice=print,
        stop_requested=lambda: False,
    )
    settings = FitSettings(STEPS, RATE, 1, checkpoint_every=STEPS, autocast=autocast)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("otx.training.checkpoint.save"),
        mock.patch.object(job, "micro_batches", drawn),
    ):
        fit(job, settings, Path(folder), hooks)
    return torch.cuda.max_memory_allocated(device)


def main() -> None:
    """Predict, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", nargs="+", choices=MODELS, default=["xlm-r-base", "e5-small"])
    parser.add_argument("--tokens", nargs="+", type=int, default=[16_384, 65_536])
    given = parser.parse_args()
    device = torch.device(given.device)
    gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if gpu else "CPU"
    print(f"{name}, torch {torch.__version__}")
    print(f"{'shape':12}{'tokens':>8}{'predicted':>12}{'measured':>12}{'ratio':>8}{'seconds':>9}")
    for shape in given.shape:
        for tokens in given.tokens:
            bench = Bench(MODELS[shape], tokens, device, 0.0)
            job = bench.job()
            began = time.perf_counter()
            predicted = predict_peak(job, bench.autocast)
            seconds = time.perf_counter() - began
            cells = [f"{predicted.peak / 1e9:.2f} GB", "-", "-"]
            if gpu:
                peak = measured_peak(job, bench.autocast)
                ratio = predicted.peak / peak
                cells[1:] = [f"{peak / 1e9:.2f} GB", f"{ratio:.3f}"]
                record(
                    Result(
                        f"peak memory of {shape}, {tokens} sub-words, predicted by --dry-run",
                        f"{predicted.peak / 1e9:.2f} GB",
                        f"within {CLOSE:.0%}",
                        abs(ratio - 1) <= CLOSE,
                        f"measured {peak / 1e9:.2f} GB",
                        ratio,
                    )
                )
            print(
                f"{shape:12}{tokens:8}{cells[0]:>12}{cells[1]:>12}{cells[2]:>8}{seconds:9.1f}",
                flush=True,
            )
            print(f"    {predicted.describe()}", flush=True)
            # The next shape begins with an empty device.
            del job
            gc.collect()


if __name__ == "__main__":
    main()
