"""Align ``mini`` with otx in turns: the contestant of ``benchmarks.align_cpu`` that its peers are compared with.

    python -m benchmarks.peers.otx_align PREFIX OBJECTIVE BATCH_TOKENS TURNS

The first turn is an epoch. The next TURNS share the second epoch, so that they meet texts of all lengths, and as many
more share the third one.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.arithmetic import Shape, padding_share
from benchmarks.job import make_job
from benchmarks.turns import finished
from otx.training import fit as loop
from otx.training.fit import FitHooks, fit
from otx.training.optimizer import FitSettings
from otx.training.prefetch import prefetched

STEPS = 100_000


def main() -> None:
    """Train until the process is ended."""
    prefix, objective = sys.argv[1:3]
    batch_tokens, turns = map(int, sys.argv[3:5])
    job = make_job(
        STEPS,
        align__objective=[objective],
        data__corpus=[prefix],
        data__batch_tokens=batch_tokens,
        data__heldout=0,
        runtime__dtype="fp32",
    )
    config: Any = job.encoder.module.config
    shape = Shape(config.num_hidden_layers, config.hidden_size, config.intermediate_size)
    lengths, sampler = job.material.tokenised[0].lengths, job.material.sampler
    epoch = [
        batch for step in range(sampler.steps_per_epoch) for _, batch in sampler.micro_batches(step)
    ]
    ends = [len(epoch) * (turns + turn) // turns for turn in range(2 * turns + 1)]
    waited = [0.0]

    def timed(prepare: Callable[[Any], Any], items: Iterable[Any]) -> Generator[Any]:
        prepared = prefetched(prepare, items)
        while True:
            began = time.perf_counter()
            item = next(prepared, None)
            waited[0] += time.perf_counter() - began
            if item is None:
                return
            yield item

    began, done, first = 0.0, 0, 0

    computed = [0]

    def count(_: Any, arguments: tuple[Any, ...]) -> None:
        computed[0] += arguments[0].numel()

    # The sub-words that go into the layers, of both sides; the frozen encoder is another module.
    job.encoder.module.get_input_embeddings().register_forward_pre_hook(count)  # type: ignore[operator]

    def started(*_: int) -> None:
        nonlocal began
        finished(
            {
                "updates_of_epoch": sampler.steps_per_epoch,
                "pairs": float(sum(map(len, epoch))),
                "padding": padding_share(lengths[batch] for batch in epoch),
                "subwords": float(lengths.sum() / len(lengths) / 2),
            }
        )
        began, waited[0], computed[0] = time.perf_counter(), 0.0, 0

    def step_finished(row: dict[str, float]) -> None:
        nonlocal began, done, first
        done += 1
        if done not in ends:
            return
        seconds = time.perf_counter() - began
        batches = [b for step in range(first, done) for _, b in sampler.micro_batches(step)]
        finished(
            {
                "pairs": sum(map(len, batches)),
                "updates": done - first,
                "seconds": seconds,
                "operations": sum(shape.alignment(lengths[batch]) for batch in batches),
                "waited": waited[0],
                "computed": computed[0],
                "real": float(sum(lengths[batch].sum() for batch in batches)),
            }
        )
        began, waited[0], computed[0], first = time.perf_counter(), 0.0, 0, done

    hooks = FitHooks(
        started=started,
        step_finished=step_finished,
        checkpoint_saved=lambda _: None,
        notice=lambda _: None,
        stop_requested=lambda: False,
    )
    settings = FitSettings(STEPS, 1e-4, 1, checkpoint_every=STEPS)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(loop, "prefetched", timed):
        fit(job, settings, Path(folder), hooks)


if __name__ == "__main__":
    main()
