"""Alignment as the training loop sees it: modules, batches and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from otx.alignment.data import AlignmentData
from otx.alignment.training_links import given_links
from otx.alignment.views import PairEncoder
from otx.config.schema import AlignSettings
from otx.files.arrays import release
from otx.interfaces import Encoder
from otx.training.auxiliary_encoders import AuxiliaryEncoders, ema_update
from otx.training.gradient_norms import is_log_step
from otx.training.processes import ALONE, Processes
from otx.training.runtime import step_seed
from otx.training.sharded_encoders import ShardedEncoder
from otx.training.shards import Shard, make_shard
from otx.training.weighted_objective import WeightedSum
from otx.types import Loss, Sides, WordVector
from otx.views import PairBatch, ViewContext
from otx.views.context import TRAINED

DESCRIBED_LINES = 8


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """Pairs of one corpus whose loss is computed together.

    Attributes:
        corpus: Number of the corpus.
        indices: Numbers of the pairs in it ``[B]``.
        progress: Share of the run that is done at this step, 0 to 1, on which the objectives' weights may depend.
        measured: Whether the gradient of each objective is measured in this step.
        step: The optimiser step.
        number: Number of the micro-batch in it.
    """

    corpus: int
    indices: np.ndarray
    progress: float
    measured: bool
    step: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class PreparedBatch:
    """A process's shard of a micro-batch, with its sub-words on the encoder's device.

    Attributes:
        drawn: The micro-batch.
        shard: The part of it that this process computes.
        pairs: The rows and padded sub-words of the shard.
    """

    drawn: MicroBatch
    shard: Shard
    pairs: PairBatch


class TrainableAlignment:
    """The encoder, the objectives and the batches of the bitext, as ``otx.training.fit`` takes them.

    Args:
        encoder: The encoder to train.
        objective: The weighted objectives.
        material: The training data.
        auxiliary: The frozen encoders that the objectives' views read.
        align: Table ``[align]``: word links, teacher, and decay of the moving average.
        word_vector: Vector of a word, from ``encoder.word_vector``.
        steps: Number of optimiser steps of the whole run.
        processes: The processes of the run, which share every micro-batch.

    Attributes:
        modules: What is trained or saved: ``encoder``, ``objective`` and, if a view reads it, ``momentum``.
        views: Computes the views of a batch.

    Raises:
        UsageError: If the encoder or the settings do not permit a view that an objective declares.
        DataError: If given word links do not fit the corpora.
    """

    def __init__(
        self,
        encoder: Encoder,
        objective: WeightedSum,
        material: AlignmentData,
        auxiliary: AuxiliaryEncoders,
        *,
        align: AlignSettings,
        word_vector: WordVector,
        steps: int,
        processes: Processes = ALONE,
    ) -> None:
        self.encoder, self.objective, self.material = encoder, objective, material
        self.auxiliary, self.steps = auxiliary, steps
        self.processes = processes
        self._decay, self._seed = align.momentum, align.seed
        modules: dict[str, nn.Module] = {"encoder": encoder.module, "objective": objective}
        if auxiliary.momentum is not None:
            modules["momentum"] = auxiliary.momentum.module
        self.modules: Mapping[str, nn.Module] = modules
        context = ViewContext(
            encoders={TRAINED: encoder, **auxiliary.by_name()},
            align=align,
            word_vector=word_vector,
            corpora=material.train,
            tokenised=material.tokenised,
            given_links=lambda: given_links(align, material),
        )
        self.views = PairEncoder(objective.views, context)

    def begin(self, step: int, steps: int) -> None:
        """Update the moving average with the encoder that the last step left.

        Args:
            step: The optimiser step that begins, from 0.
            steps: Number of steps of the run.
        """
        if self.auxiliary.momentum is not None and step > 0:
            ema_update(self.auxiliary.momentum, self.encoder, self._decay)

    def micro_batches(self, step: int) -> Sequence[MicroBatch]:
        """Return the micro-batches of a step.

        Args:
            step: The optimiser step, from 0.

        Returns:
            Batches of one corpus each, a pure function of the step.
        """
        # The middle of the step: a weight that rises from 0 is above 0 from the first step on.
        progress = (step + 0.5) / self.steps
        return [
            MicroBatch(corpus, indices, progress, is_log_step(step), step, number)
            for number, (corpus, indices) in enumerate(self.material.sampler.micro_batches(step))
        ]

    def prepare(self, batch: MicroBatch) -> PreparedBatch:
        """Read the rows of this process's shard of a micro-batch, and pad them.

        Args:
            batch: The micro-batch.
        """
        shard = make_shard(self._lengths(batch), self.processes)
        return PreparedBatch(batch, shard, self.collate(batch, shard.rows))

    def loss(self, batch: PreparedBatch) -> Loss:
        """Return this process's share of the weighted sum of the objectives for one micro-batch.

        Args:
            batch: The prepared shard of the micro-batch.
        """
        drawn = batch.drawn
        # Dropout is of each process by itself.
        place = self._seed, drawn.step, drawn.number
        torch.manual_seed(step_seed(*place, self.processes.rank))
        loss: Loss = self.objective(
            self.views(batch.pairs),
            drawn.progress,
            measured=drawn.measured,
            seed=step_seed(*place),
            shard=batch.shard,
        )
        if isinstance(self.encoder, ShardedEncoder):
            loss = replace(loss, value=self.encoder.reached_by(loss.value))
        return loss

    def gradients(self) -> dict[str, Tensor]:
        """Return the squared norm ``[]`` of the gradient that each objective sent into the encoder in this step."""
        return self.objective.gradient_norms.pop()

    def describe(self, batch: MicroBatch) -> str:
        """Return the corpus and the first lines of a micro-batch, for error messages.

        Args:
            batch: The micro-batch.
        """
        corpus = self.material.train[batch.corpus]
        lines = [str(corpus[int(i)].line) for i in batch.indices[:DESCRIBED_LINES]]
        rest = len(batch.indices) - DESCRIBED_LINES
        more = f" and {rest} more" if rest > 0 else ""
        return f"pairs of {corpus.name} in lines {', '.join(lines)}{more}"

    def size(self, batch: MicroBatch) -> tuple[int, int]:
        """Return the number of pairs, and of sub-words of both sides, in a micro-batch.

        Args:
            batch: The micro-batch.
        """
        return len(batch.indices), int(self._lengths(batch).sum())

    def collate(self, batch: MicroBatch, rows: slice = slice(None)) -> PairBatch:
        """Read the rows of a micro-batch and pad them.

        Args:
            batch: The micro-batch.
            rows: The pairs to read, by their places in it.

        Returns:
            The rows and the padded sub-words of both sides, on the encoder's device.
        """
        indices = batch.indices[rows]
        source_rows, pivot_rows, _ = self.material.tokenised[batch.corpus].rows(indices)
        return PairBatch(
            batch.corpus,
            indices,
            Sides(source_rows, pivot_rows),
            self.encoder.collate(source_rows),
            self.encoder.collate(pivot_rows),
            seed=step_seed(self._seed, batch.step, batch.number),
            first=rows.start or 0,
        )

    def _lengths(self, batch: MicroBatch) -> np.ndarray:
        """Return the number of sub-words of both sides of each pair."""
        lengths = self.material.tokenised[batch.corpus].lengths
        of_pairs: np.ndarray = lengths[batch.indices].sum(1)
        release(lengths)
        return of_pairs
