"""The training loop: the one place where parameters change, for alignments and for task heads.

The data and random numbers of a step are pure functions of (seed, step), and a checkpoint holds everything else. So a
run that is resumed at any step ends, on a CPU, in the same weights as an uninterrupted one, bit for bit.

The loop is the same in one process and in many: each computes its share of every micro-batch, gradients and numbers are
summed, and only the first process reads and writes files.

On a GPU the loop never waits within a step: numbers stay on the device and are read every ``LOG_EVERY`` steps. A number
that is not finite makes its step and all later ones change nothing, until the next reading names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from otx.errors import ProblemError, TrainingError
from otx.training import checkpoint
from otx.training.gradient_norms import LOG_EVERY
from otx.training.health import Health
from otx.training.optimizer import (
    FitSettings,
    clip_gradients,
    make_optimizer,
    schedule,
    state_indices,
    state_tensors,
    take_step,
    trained_parameters,
)
from otx.training.prefetch import prefetched
from otx.training.processes import ALONE, Processes
from otx.training.reduction import make_reduction
from otx.training.runtime import seed_step
from otx.training.sharded_tensors import is_sharded
from otx.training.step_numbers import StepNumbers
from otx.types import Loss


class Trainable(Protocol):
    """A training task: modules, the micro-batches of a step, and the loss of one of them.

    ``micro_batches`` and ``prepare`` are called in a thread, ahead of the step.

    Attributes:
        modules: Modules whose parameters are trained and saved, by name.
    """

    modules: Mapping[str, nn.Module]

    def begin(self, step: int, steps: int) -> None:
        """Prepare optimiser step ``step`` (from 0) of ``steps``: weights that change over the run, moving averages.

        Args:
            step: The step, from 0.
            steps: Number of all steps.
        """
        ...

    def micro_batches(self, step: int) -> Sequence[Any]:
        """Return the micro-batches whose losses are averaged in a step; a pure function of ``step``.

        Args:
            step: The step, from 0.
        """
        ...

    def prepare(self, batch: Any) -> Any:
        """Read and pad a micro-batch: all that its loss needs before the model runs.

        Args:
            batch: One of the step's micro-batches.
        """
        ...

    def loss(self, batch: Any) -> Loss:
        """Return the loss of one micro-batch; of several processes, each returns its share.

        Args:
            batch: What ``prepare`` returned.
        """
        ...

    def gradients(self) -> Mapping[str, Tensor]:
        """Return the squared norm ``[]`` of the gradient that each part of the loss sent back in this step, by name.

        Of several processes, each returns its share. Empty where the step does not measure them; see
        ``otx.training.gradient_norms.is_log_step``.
        """
        ...

    def describe(self, batch: Any) -> str:
        """Return which pairs or examples a micro-batch holds, for error messages.

        Args:
            batch: One of the step's micro-batches.
        """
        ...

    def size(self, batch: Any) -> tuple[int, int]:
        """Return the number of pairs or examples, and of real sub-words, in a micro-batch.

        Args:
            batch: One of the step's micro-batches.
        """
        ...


class Measurement(Protocol):
    """A measurement of the weights during the training, such as on held-out data.

    Of several processes, all call it at the same steps; only the first one's numbers count.
    """

    def is_due(self, step: int) -> bool:
        """Return whether the weights are measured after this step.

        Args:
            step: Number of optimiser steps that are done.
        """
        ...

    def look(self, step: int) -> Mapping[str, float]:
        """Measure the weights.

        Args:
            step: Number of optimiser steps that are done.

        Returns:
            Columns of metrics.jsonl.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FitHooks:
    """Functions that the loop calls.

    Attributes:
        started: Receives the number of steps that are done, and of all steps.
        step_finished: Receives the numbers of a step: its row of metrics.jsonl. On a GPU, the rows of several steps
            come together.
        checkpoint_saved: Receives the folder of a checkpoint.
        notice: Receives a warning.
        stop_requested: Returns True if the loop must save and stop after this step. One process asks after every step.
            Several ask when they read numbers, on a GPU up to ``LOG_EVERY`` steps later.
        measurement: Measures the weights at the steps that it asks for; its numbers join the step's row.
    """

    started: Callable[[int, int], None]
    step_finished: Callable[[dict[str, float]], None]
    checkpoint_saved: Callable[[Path], None]
    notice: Callable[[str], None]
    stop_requested: Callable[[], bool]
    measurement: Measurement | None = None


def fit(
    job: Trainable,
    settings: FitSettings,
    folder: Path,
    hooks: FitHooks,
    *,
    read_every: int | None = None,
    processes: Processes = ALONE,
) -> int:
    """Train to the last step, from the newest valid checkpoint if there is one.

    Args:
        job: The training task.
        settings: Options of the optimisation.
        folder: Folder of the checkpoints.
        hooks: Functions that the loop calls.
        read_every: Number of steps whose numbers are read from the device together. Default: 1 on a CPU, where there
            is nothing to wait for, else ``LOG_EVERY``.
        processes: The processes of the run. The hooks of all but the first must neither print nor write.

    Returns:
        The number of steps done: fewer than ``settings.steps`` if a stop was requested; everything is saved then.

    Raises:
        TrainingError: If the loss or gradient is not finite (naming step, term and pairs; the weights are those before
            this step), a transport plan has lost its mass, or a solver no longer converges. Nothing is saved after the
            step at fault.
        CheckpointError: If the newest valid checkpoint belongs to another model.
        ProcessLost: If another process fails, is killed, or no longer answers.
        OTXError: If the disk is full.
    """
    training = _Training(job, settings, folder, hooks, read_every, processes)
    with closing(training.reduction):
        return training.run()


class _Training:
    """The state of a training: optimiser, checks, and the numbers that were not read yet."""

    def __init__(
        self,
        job: Trainable,
        settings: FitSettings,
        folder: Path,
        hooks: FitHooks,
        read_every: int | None,
        processes: Processes,
    ) -> None:
        self.job, self.settings, self.folder, self.hooks = job, settings, folder, hooks
        self.optimizer = make_optimizer(job.modules, settings)
        self.health = Health(hooks.notice)
        self.device = next(p for m in job.modules.values() for p in m.parameters()).device
        self.processes = processes
        self.numbers = StepNumbers(self.device, job.describe, processes)
        self.reduction = make_reduction(processes, trained_parameters(job.modules))
        self.read_every = read_every or (1 if self.device.type == "cpu" else LOG_EVERY)
        self.began = 0.0

    def run(self) -> int:
        settings, hooks = self.settings, self.hooks
        start = self._resume()
        hooks.started(start, settings.steps)
        # An observer of the first process may take longer than a collective operation waits.
        self.processes.meet()
        with closing(prefetched(self._prepare, range(start, settings.steps))) as prepared:
            self.began = time.perf_counter()
            for step, batches in zip(range(start, settings.steps), prepared, strict=True):
                self._step(step, batches)
                done = step + 1
                due = hooks.measurement is not None and hooks.measurement.is_due(done)
                saves = done % settings.checkpoint_every == 0 or done == settings.steps
                stop = False
                if due or saves or len(self.numbers) == self.read_every:
                    self._report(measured=due)
                    # The first process may have measured for minutes.
                    stop = self.processes.meet(hooks.stop_requested())
                elif self.processes.count == 1:
                    stop = hooks.stop_requested()
                if stop or saves:
                    self._report()
                    self._save(done)
                if stop:
                    return done
        return settings.steps

    def _resume(self) -> int:
        """Load the newest valid checkpoint, and return its step; 0 if there is none."""
        first, modules = self.processes.is_first, self.job.modules
        tensors = [t for m in modules.values() for t in (*m.parameters(), *m.buffers())]
        sharded = any(is_sharded(tensor) for tensor in tensors)
        newest, damaged = checkpoint.newest(self.folder, Health.SHAPE) if first else (None, [])
        start = 0 if newest is None else newest.step
        if newest is not None:
            checkpoint.load(newest, modules, self.optimizer)
            self.health.restore(newest.state)
        for error in damaged:
            self.hooks.notice(f"{error.message}; resuming from step {start}")
        if first:
            # Only now: if the earlier one cannot be loaded, nothing is renamed.
            checkpoint.set_aside(self.folder, start)
        start, state, newest = self.processes.from_first((start, self.health.state(), newest))
        self.health.restore(state)
        if sharded and newest is not None and not first:
            checkpoint.load(newest, modules, self.optimizer)
        trained = self.processes.from_first(state_indices(self.optimizer))
        tensors += state_tensors(self.optimizer, trained)
        self.processes.copy_first([tensor for tensor in tensors if not is_sharded(tensor)])
        return start

    def _prepare(self, step: int) -> list[tuple[Any, Any]]:
        """Return the micro-batches of a step, as drawn and as prepared."""
        return [(batch, self.job.prepare(batch)) for batch in self.job.micro_batches(step)]

    def _step(self, step: int, batches: Sequence[tuple[Any, Any]]) -> None:
        """Pass backward through the micro-batches of a step, their losses averaged, and take the optimiser's step."""
        job, settings, numbers = self.job, self.settings, self.numbers
        seed_step(settings.seed, step)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.lr * schedule(step, settings)
        job.begin(step, settings.steps)
        numbers.begin(step)
        autocast = settings.autocast
        for number, (batch, prepared) in enumerate(batches, 1):
            with torch.autocast(self.device.type, autocast, enabled=autocast is not None):
                loss = self._loss(batch, prepared, step)
            pairs, tokens = job.size(batch)
            values = {"loss": loss.value, **loss.terms, **loss.health}
            numbers.add(batch, values, pairs=pairs, tokens=tokens)
            self.reduction.backward(loss.value / len(batches), last=number == len(batches))
        bad = self.reduction.finish(numbers.bad())
        norm = clip_gradients(job.modules, settings.clip, self.processes)
        numbers.finish(norm, job.gradients(), bad)
        take_step(self.optimizer, numbers.spoilt)

    def _loss(self, batch: Any, prepared: Any, step: int) -> Loss:
        try:
            return self.job.loss(prepared)
        except ProblemError as error:
            # If an earlier step was not finite, that is the cause. Other processes do not report now.
            if self.processes.count == 1:
                self._report()
            raise TrainingError(
                f"{error.message} at step {step} in {self.job.describe(batch)}",
                f"the weights are untouched by this step; {error.remedy or 'look at these pairs'}",
            ) from error

    def _report(self, *, measured: bool = False) -> None:
        """Read the numbers of the last steps, check them, and pass on their rows."""
        readings = self.numbers.read()
        seconds = (time.perf_counter() - self.began) / max(1, len(readings))
        for reading in readings:
            if reading.fault is not None:
                raise reading.fault
            row, step = reading.row, reading.step
            self.health.check(row, step)
            self.health.check_gradients({**reading.sent, "the loss": row["grad_norm"]}, step)
            rate = self.settings.lr * schedule(step, self.settings)
            row = {"step": step + 1, **row, "lr": rate, "seconds": seconds}
            looking = self.hooks.measurement if measured and reading is readings[-1] else None
            if looking is not None:
                row |= looking.look(step + 1)
            self.hooks.step_finished(row)
        self.began = time.perf_counter()

    def _save(self, done: int) -> None:
        if self.processes.is_first:
            path = checkpoint.save(
                self.folder,
                done,
                self.job.modules,
                optimizer=self.optimizer,
                state=self.health.state(),
            )
            checkpoint.prune(self.folder, self.settings.keep_checkpoints)
            self.hooks.checkpoint_saved(path)
        else:
            checkpoint.lend(self.job.modules, self.optimizer)
        self.processes.meet()
        self.began = time.perf_counter()
