"""Fine-tune a task's head in its source language, and predict with it."""

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
from otx.evaluation.development import CheckSchedule, Development
from otx.evaluation.features import Features, build_features
from otx.interfaces import Encoder, Task, TransferTask
from otx.plugin_host.attribution import Owner, attributed, owner_of
from otx.plugin_host.interface_checks import loss_faults
from otx.printable import quote
from otx.runs.statistics import summed
from otx.training.fit import FitHooks, Trainable, fit
from otx.training.optimizer import FitSettings
from otx.training.runtime import StopSignals, seed_step
from otx.training.vocabulary import lift, restrict
from otx.types import Example, Loss, Metric, Score, TokenBatch

CPU_TOKENS, DEVICE_TOKENS = 2_048, 32_768
"""Maximum sub-words of a batch in prediction, padding included: what a CPU core's cache holds, and what fills a GPU."""
PREDICT_AT_ONCE = 2048
"""Number of examples whose features are in memory together, and are sorted by length."""
SORTED_BATCHES = 50
COLLATED_AT_ONCE = 256
"""Number of features whose sub-words are counted together."""
FIT_VERSION = 3
"""Raised whenever the same options would lead to other weights."""

Predictor = Callable[[Sequence[Example]], Iterator[tuple[Example, Any]]]
"""From examples to each example with its prediction, in their order."""


class TrainableHead(Trainable):
    """Fine-tuning for the training loop: encoder and head together, on shuffled features of the source language.

    Args:
        task: The task.
        encoder: The encoder, which is trained.
        head: The head, which is a part of the encoder's module.
        features: Training features; only learnable ones are used.
        batch: Number of features in an optimiser step.
        seed: Seed of the order.

    Attributes:
        modules: The trained modules by name.
        steps_per_epoch: Number of optimiser steps of one pass over the features.
    """

    def __init__(
        self,
        task: TransferTask,
        encoder: Encoder,
        head: nn.Module,
        features: Features,
        *,
        batch: int,
        seed: int,
    ) -> None:
        self.task, self.encoder, self.head, self.features = task, encoder, head, features
        self.learnt = np.flatnonzero(features.learnable)
        self.batch, self.seed = batch, seed
        # The head is a part of the encoder's module.
        self.modules: Mapping[str, nn.Module] = {"encoder": encoder.module}
        self.steps_per_epoch = -(-len(self.learnt) // batch)
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def begin(self, step: int, steps: int) -> None:
        """Do nothing: no part of a fine-tuning changes over the steps."""

    def micro_batches(self, step: int) -> Sequence[Sequence[Any]]:
        """Return the one batch of a step.

        Each epoch is shuffled anew, and sorted by length within 50 batches.
        """
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
            parts = [near[i : i + self.batch] for i in range(0, len(near), self.batch)]
            batches += [parts[i] for i in rng.permutation(len(parts))]
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

    def prepare(self, batch: Sequence[Any]) -> tuple[TokenBatch, Tensor]:
        """Collate a batch: its sub-words and its labels."""
        return self.task.collate(self.encoder, batch)

    def loss(self, batch: tuple[TokenBatch, Tensor]) -> Loss:
        """Return the task's loss on one collated batch."""
        tokens, labels = batch
        with attributed(owner_of(self.encoder)):
            logits = self.head(tokens)
        loss = self.task.loss(logits, labels)
        for fault in loss_faults(loss):
            raise task_owner(self.task).fault(f"loss: {fault}")
        return loss

    def gradients(self) -> dict[str, Tensor]:
        """Return no gradient norms: a task's loss has one term."""
        return {}

    def describe(self, batch: Sequence[Any]) -> str:
        """Describe a batch for error messages."""
        return f"a batch of {len(batch)} features of {self.task.info.name}"

    def size(self, batch: Sequence[Any]) -> tuple[int, int]:
        """Return the number of features and of real sub-words."""
        return len(batch), sum(feature.length for feature in batch)


def train_head(
    task: TransferTask,
    encoder: Encoder,
    *,
    seed: int,
    folder: Path,
    hooks: FitHooks,
    signals: StopSignals,
    settings: EvalSettings,
    autocast: torch.dtype | None,
    whole_vocabulary: bool = False,
) -> tuple[Predictor, Development]:
    """Fine-tune a fresh head and the encoder, in place.

    The weights that are left are those of the best check on development data, by the task's first metric. The options
    of the task say how to optimise: ``epochs``, ``lr``, ``batch``, ``warmup`` and ``weight_decay``.

    Args:
        task: The task.
        encoder: The encoder, which is changed.
        seed: Seed of the head, of dropout and of the order of examples.
        folder: Folder of checkpoints; a later call with the same folder resumes.
        hooks: Receives progress.
        signals: Signals that stop the training after a step.
        settings: Table ``[eval]``: number of checks, and patience.
        autocast: Autocast type, or None for float32.
        whole_vocabulary: True trains every row of the input embeddings, False those of the training text.

    Returns:
        The predictor, and the scores on development data.

    Raises:
        DataError: If the training data cannot be used.
        Interrupted: After a signal, once the step is saved.
    """
    with attributed(owner_of(task)):
        training, held_out = task.training(seed)
    seed_step(seed, -1)
    head = encoder.fresh_head(task.head_kind, task.labels())
    features = build_features(task, encoder, training, cache_folder())
    if not features.learnable.any():
        raise DataError(
            f"{task.info.name}: no training example is left", "look at its training file and limits"
        )
    options = task.options
    job = TrainableHead(task, encoder, head, features, batch=options.batch, seed=seed)
    steps = max(1, round(options.epochs * job.steps_per_epoch))
    restriction = None if whole_vocabulary else restrict(encoder, job.vocabulary(), keep_head=True)
    predict = predictor(task, encoder, head, autocast)
    metric = task.info.metrics[0]

    def score() -> float:
        scores = [task.score(prediction, example) for example, prediction in predict(held_out)]
        return metrics_of(task, scores)[metric.name]

    checks = Development(
        folder,
        job.modules,
        CheckSchedule(steps, settings.checks, settings.patience),
        score,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        size=len(held_out),
    )

    encoder.module.train()
    fit_settings = FitSettings(
        steps=steps,
        lr=options.lr,
        seed=seed,
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        autocast=autocast,
        keep_checkpoints=1,
    )
    fit_hooks = replace(
        hooks,
        measurement=checks,
        stop_requested=lambda: hooks.stop_requested() or checks.is_patience_exhausted(),
    )
    with signals.deferred():
        reached = fit(job, fit_settings, folder, fit_hooks)
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
    """Return a function from examples to predictions, in the examples' order.

    The features of at most ``PREDICT_AT_ONCE`` examples are in memory; they are batched by length.

    Args:
        task: The task.
        encoder: The encoder.
        head: The head.
        autocast: Autocast type, or None for float32.
    """

    def predict(examples: Sequence[Example]) -> Iterator[tuple[Example, Any]]:
        encoder.module.eval()
        head.eval()
        for start in range(0, len(examples), PREDICT_AT_ONCE):
            block = examples[start : start + PREDICT_AT_ONCE]
            predictions = _predict_block(task, encoder, head, autocast, block)
            yield from pick(task, "decode", predictions, block)

    return predict


def _predict_block(
    task: TransferTask,
    encoder: Encoder,
    head: nn.Module,
    autocast: torch.dtype | None,
    examples: Sequence[Example],
) -> dict[str, Any]:
    stored = build_features(task, encoder, examples, cache_folder())
    features = stored.take(range(len(stored)))
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
    """Yield batches of indices, grouped by length, of at most ``tokens`` tokens.

    A batch of one example may exceed the limit.

    Args:
        lengths: Length of each example.
        tokens: Maximum number of tokens of a batch, padding included.

    Example:
        >>> list(by_size([5, 1, 2], tokens=4))
        [[1, 2], [0]]
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and (len(batch) + 1) * lengths[index] > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def metrics_of(task: Task, scores: Sequence[Score]) -> dict[str, float]:
    """Compute every metric of a task from the scores of its examples.

    Args:
        task: The task.
        scores: The score of every example.

    Returns:
        Metric by name.

    Raises:
        PluginError: For a metric that cannot be computed.
    """
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
    task: Task, method: str, predictions: Mapping[str, Any], examples: Sequence[Example]
) -> Iterator[tuple[Example, Any]]:
    """Yield each example with the prediction that a method of the task returned.

    Args:
        task: The task.
        method: Name of the method, for messages.
        predictions: The returned predictions, by example id.
        examples: The examples.

    Raises:
        PluginError: If an example has no prediction.
    """
    if not isinstance(predictions, Mapping):
        raise task_owner(task).fault(
            f"{method} returns a {type(predictions).__name__}, expected a dictionary by example id"
        )
    missing = [example.id for example in examples if example.id not in predictions]
    if missing:
        raise task_owner(task).fault(
            f"{method} leaves out {len(missing):,} of {len(examples):,} examples, the first with id "
            f"{quote(str(missing[0]))}"
        )
    yield from ((example, predictions[example.id]) for example in examples)


def task_owner(task: Task) -> Owner:
    """Return the owner of a task, for messages: its plugin, if it is registered.

    Args:
        task: The task.
    """
    return owner_of(task) or Owner("task", task.info.name)
