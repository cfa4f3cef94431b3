"""Fine-tuning a task's head in its source language, and predicting with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from otx.config.schema import EvalSettings
from otx.data.cache import cache_folder
from otx.errors import DataError, Interrupted, PluginError
from otx.evaluation.development import Development
from otx.evaluation.features import Features, cut
from otx.interfaces import Encoder, Task, TransferTask
from otx.plugin_host.attribution import Owner, attributed, owner_of
from otx.plugin_host.interface_checks import loss_faults
from otx.printable import quote
from otx.runs.statistics import summed
from otx.training.fit import FitHooks, FitSettings, fit
from otx.training.runtime import StopSignals, seed_step
from otx.training.vocabulary import lift, restrict
from otx.types import Example, Loss, Metric, Score

CPU_TOKENS, DEVICE_TOKENS = 2_048, 32_768
"""Sub-words of a batch that is predicted, padding included: what a core's cache holds, and what fills a GPU."""
PREDICT_AT_ONCE = 2048
"""Examples whose features are in memory together; what is sorted by length."""
SORTED_BATCHES = 50
COLLATED_AT_ONCE = 256
"""Features whose sub-words are counted together."""
FIT_VERSION = 2
"""Raised whenever the same options would fit other weights."""

Predictor = Callable[[Sequence[Example]], Iterator[tuple[Example, Any]]]


class TrainableHead:
    """Fine-tuning as the loop sees it: encoder and head together, on shuffled features of the source language."""

    def __init__(
        self,
        task: TransferTask,
        encoder: Encoder,
        head: nn.Module,
        features: Features,
        batch: int,
        seed: int,
    ) -> None:
        self.task, self.encoder, self.head, self.features = task, encoder, head, features
        self.learnt = np.flatnonzero(features.learnable)
        self.batch, self.seed = batch, seed
        # The head is a part of it.
        self.modules: Mapping[str, nn.Module] = {"encoder": encoder.module}
        self.steps_per_epoch = -(-len(self.learnt) // batch)
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def begin(self, step: int, steps: int) -> None:
        """Nothing here changes over the steps."""

    def micro_batches(self, step: int) -> Sequence[Sequence[Any]]:
        """One batch a step; each epoch is a fresh shuffle, sorted by length within runs of 50 batches."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        return [self.features.take(self._epoch[1][place])]

    def _shuffled(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch])
        order = self.learnt[rng.permutation(len(self.learnt))]
        batches: list[np.ndarray] = []
        span = self.batch * SORTED_BATCHES
        for start in range(0, len(order), span):
            near = order[start : start + span]
            near = near[np.argsort(self.features.lengths[near], kind="stable")]
            cut = [near[i : i + self.batch] for i in range(0, len(near), self.batch)]
            batches += [cut[i] for i in rng.permutation(len(cut))]
        return batches

    def vocabulary(self) -> np.ndarray:
        """Return the ids ``[K]`` of the sub-words in the training features, ascending."""
        order = self.learnt[np.argsort(self.features.lengths[self.learnt], kind="stable")]
        ids = np.zeros(0, dtype=np.int64)
        for start in range(0, len(order), COLLATED_AT_ONCE):
            features = self.features.take(order[start : start + COLLATED_AT_ONCE])
            tokens, _ = self.task.collate(self.encoder, features)
            ids = np.union1d(ids, tokens.ids[tokens.mask].cpu().numpy())
        return ids

    def loss(self, batch: Sequence[Any]) -> Loss:
        """The task's loss on one batch."""
        tokens, labels = self.task.collate(self.encoder, batch)
        with attributed(owner_of(self.encoder)):
            logits = self.head(tokens)
        loss = self.task.loss(logits, labels)
        for fault in loss_faults(loss):
            raise task_owner(self.task).fault(f"loss: {fault}")
        return loss

    def gradients(self) -> dict[str, float]:
        """A task's loss is one."""
        return {}

    def describe(self, batch: Sequence[Any]) -> str:
        """How many features of which task."""
        return f"a batch of {len(batch)} features of {self.task.info.name}"

    def size(self, batch: Sequence[Any]) -> tuple[int, int]:
        """(features, real sub-words)."""
        return len(batch), sum(feature.length for feature in batch)


def train_head(
    task: TransferTask,
    encoder: Encoder,
    seed: int,
    folder: Path,
    hooks: FitHooks,
    autocast: torch.dtype | None,
    wanted: EvalSettings,
    signals: StopSignals,
    *,
    whole_vocabulary: bool = False,
) -> tuple[Predictor, Development]:
    """Fit a fresh head and the encoder, in place. Returns the predictor and what the development data said.

    Of the input embeddings only the sub-words of the training text are trained, unless ``whole_vocabulary``.

    The weights that are left are those of the best check on development data, by the task's first metric. How to
    optimise is in the task's options: ``epochs, lr, batch, warmup, weight_decay``. Raises Interrupted, the step saved,
    after a signal.
    """
    with attributed(owner_of(task)):
        training, held = task.training(seed)
    seed_step(seed, -1)
    head = encoder.fresh_head(task.head_kind, task.labels())
    features = cut(task, encoder, training, cache_folder())
    if not features.learnable.any():
        raise DataError(
            f"{task.info.name}: nothing is left to train on", "look at its training file and limits"
        )
    options = task.options
    job = TrainableHead(task, encoder, head, features, options.batch, seed)
    steps = max(1, round(options.epochs * job.steps_per_epoch))
    restriction = None if whole_vocabulary else restrict(encoder, job.vocabulary(), keep_head=True)
    predict = predictor(task, encoder, head, autocast)
    metric = task.info.metrics[0]

    def score() -> float:
        return metrics_of(task, [task.score(made, example) for example, made in predict(held)])[
            metric.name
        ]

    checks = Development(
        folder,
        job.modules,
        steps,
        wanted.checks,
        wanted.patience,
        score,
        metric.higher_is_better,
        len(held),
    )

    def step_finished(row: dict[str, float]) -> None:
        value = checks.step_finished(int(row["step"]))
        hooks.step_finished(row if value is None else row | {metric.name: value})

    encoder.module.train()
    settings = FitSettings(
        steps=steps,
        lr=options.lr,
        seed=seed,
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        autocast=autocast,
        keep_checkpoints=1,
    )
    own = replace(
        hooks,
        step_finished=step_finished,
        stop_requested=lambda: hooks.stop_requested() or checks.enough(),
    )
    with signals.deferred():
        reached = fit(job, settings, folder, own)
        if signals.requested:
            raise Interrupted(
                f"interrupted at step {reached} of {steps} of a {task.info.name} head; everything is saved",
                signals.remedy,
            )
    checks.restore()
    lift(encoder, restriction)
    return predict, checks


def predictor(
    task: TransferTask, encoder: Encoder, head: nn.Module, autocast: torch.dtype | None
) -> Predictor:
    """A function from examples to predictions, in the examples' order.

    However many there are, no more than ``PREDICT_AT_ONCE`` are in memory as features; these are batched by length.
    """

    def predict(examples: Sequence[Example]) -> Iterator[tuple[Example, Any]]:
        encoder.module.eval()
        head.eval()
        for start in range(0, len(examples), PREDICT_AT_ONCE):
            block = examples[start : start + PREDICT_AT_ONCE]
            found = _predicted(task, encoder, head, autocast, block)
            yield from pick(task, "decode", found, block)

    return predict


def _predicted(
    task: TransferTask,
    encoder: Encoder,
    head: nn.Module,
    autocast: torch.dtype | None,
    examples: Sequence[Example],
) -> dict[str, Any]:
    kept = cut(task, encoder, examples, cache_folder())
    features = kept.take(range(len(kept)))
    logits: list[Tensor] = [torch.empty(0)] * len(features)
    device = next(encoder.module.parameters()).device.type
    batches = by_size(
        [f.length for f in features], CPU_TOKENS if device == "cpu" else DEVICE_TOKENS
    )
    with torch.no_grad(), torch.autocast(device, autocast, enabled=autocast is not None):
        for indices in batches:
            tokens, _ = task.collate(encoder, [features[i] for i in indices])
            with attributed(owner_of(encoder)):
                rows = head(tokens).float().cpu()
            for index, row in zip(indices, rows, strict=True):
                logits[index] = row[: features[index].length] if row.ndim > 1 else row
    return task.decode(features, logits)


def by_size(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, none larger than ``tokens`` when padded unless it is of one."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and (len(batch) + 1) * lengths[index] > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def metrics_of(task: Task, scores: Sequence[Score]) -> dict[str, float]:
    """Every metric of a task, from the scores of its examples. Raises PluginError for one that cannot be computed."""
    with attributed(owner_of(task)):
        sums = summed(scores)
    return {metric.name: _value(task, metric, sums) for metric in task.info.metrics}


def _value(task: Task, metric: Metric, sums: Mapping[str, float]) -> float:
    try:
        with attributed(owner_of(task)):
            return float(metric.compute(sums))
    except PluginError as error:
        cause = error.__cause__
        if isinstance(cause, KeyError) and cause.args and cause.args[0] not in sums:
            raise task_owner(task).fault(
                f"metric {metric.name} asks for the sum {cause}, and the statistics of its scores are "
                f"{', '.join(sums) or 'none'}"
            ) from cause
        raise


def pick(
    task: Task, method: str, found: Mapping[str, Any], examples: Sequence[Example]
) -> Iterator[tuple[Example, Any]]:
    """Yield each example with what a method of the task found for it. Raises PluginError where it leaves one out."""
    if not isinstance(found, Mapping):
        raise task_owner(task).fault(
            f"{method} returns a {type(found).__name__}, expected a dictionary by example id"
        )
    missing = [example.id for example in examples if example.id not in found]
    if missing:
        raise task_owner(task).fault(
            f"{method} leaves out {len(missing):,} of {len(examples):,} examples, the first with id "
            f"{quote(str(missing[0]))}"
        )
    yield from ((example, found[example.id]) for example in examples)


def task_owner(task: Task) -> Owner:
    """Who answers for a task, registered or not."""
    return owner_of(task) or Owner("task", task.info.name)
