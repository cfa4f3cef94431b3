"""Fine-tuning a task's head in its source language, and predicting with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from otx.contracts import Encoder, TransferTask
from otx.engine.fit import FitHooks, FitSettings, fit
from otx.engine.runtime import StopSignals, seed_step
from otx.errors import DataError, Interrupted
from otx.types import Example, Loss

PREDICT_BATCH = 32
SORTED_BATCHES = 50

Predictor = Callable[[Sequence[Example]], dict[str, Any]]


class HeadJob:
    """Fine-tuning as the loop sees it: encoder and head together, on shuffled features of the source language."""

    def __init__(
        self,
        task: TransferTask,
        encoder: Encoder,
        head: nn.Module,
        features: Sequence[Any],
        batch: int,
        seed: int,
    ) -> None:
        self.task, self.encoder, self.head, self.features = task, encoder, head, features
        self.batch, self.seed = batch, seed
        self.modules: Mapping[str, nn.Module] = {"encoder": encoder.module, "head": head}
        self.steps_per_epoch = -(-len(features) // batch)
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def begin(self, step: int, steps: int) -> None:
        """Nothing here changes over the steps."""

    def micro_batches(self, step: int) -> Sequence[Sequence[Any]]:
        """One batch a step; each epoch is a fresh shuffle, sorted by length within runs of 50 batches."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        return [[self.features[i] for i in self._epoch[1][place]]]

    def _shuffled(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.features))
        batches: list[np.ndarray] = []
        span = self.batch * SORTED_BATCHES
        for start in range(0, len(order), span):
            near = order[start : start + span]
            near = near[np.argsort([self.features[i].length for i in near], kind="stable")]
            cut = [near[i : i + self.batch] for i in range(0, len(near), self.batch)]
            batches += [cut[i] for i in rng.permutation(len(cut))]
        return batches

    def loss(self, batch: Sequence[Any]) -> Loss:
        """The task's loss on one batch."""
        tokens, labels = self.task.collate(self.encoder, batch)
        return self.task.loss(self.head(self.encoder.encode(tokens, (-1,))), labels)

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
    optimisation: Any,
    signals: StopSignals,
) -> tuple[Predictor, list[Example]]:
    """Fit a fresh head (and the encoder, in place). Returns the predictor and the development examples.

    ``optimisation`` has ``epochs, lr, batch, warmup, weight_decay``. Raises Interrupted, the step saved, after a
    signal.
    """
    training, development = task.training(seed)
    seed_step(seed, -1)
    head = task.head(encoder.dimension).to(next(encoder.module.parameters()).device)
    features = [f for f in task.features(encoder, training) if f.label is not None]
    if not features:
        raise DataError(
            f"{task.info.name}: nothing is left to train on", "look at its training file and limits"
        )
    job = HeadJob(task, encoder, head, features, optimisation.batch, seed)
    steps = max(1, round(optimisation.epochs * job.steps_per_epoch))
    encoder.module.train()
    head.train()
    settings = FitSettings(
        steps=steps,
        lr=optimisation.lr,
        seed=seed,
        warmup=optimisation.warmup,
        weight_decay=optimisation.weight_decay,
        autocast=autocast,
        keep_checkpoints=1,
    )
    with signals.deferred():
        reached = fit(job, settings, folder, hooks)
        if signals.requested:
            raise Interrupted(
                f"interrupted at step {reached} of {steps} of a {task.info.name} head; everything is saved",
                signals.remedy,
            )
    return predictor(
        task, encoder, lambda batch: head(encoder.encode(batch, (-1,))), head
    ), development


def predictor(
    task: TransferTask, encoder: Encoder, logits_of: Callable[[Any], Tensor], head: nn.Module
) -> Predictor:
    """A function from examples to predictions by example id; batches by length, no gradients."""

    def predict(examples: Sequence[Example]) -> dict[str, Any]:
        encoder.module.eval()
        head.eval()
        features = task.features(encoder, examples)
        logits: list[Tensor] = [torch.empty(0)] * len(features)
        order = sorted(range(len(features)), key=lambda i: features[i].length)
        with torch.no_grad():
            for start in range(0, len(order), PREDICT_BATCH):
                indices = order[start : start + PREDICT_BATCH]
                tokens, _ = task.collate(encoder, [features[i] for i in indices])
                for index, row in zip(indices, logits_of(tokens).float().cpu(), strict=True):
                    logits[index] = row[: features[index].length] if row.ndim > 1 else row
        return task.decode(features, logits)

    return predict
