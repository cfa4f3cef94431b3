"""Alignment as the training loop sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from otx.alignment.data import AlignmentData, count_idf
from otx.alignment.training_links import given_links
from otx.alignment.views import PairBatch, Views, link_rows
from otx.config.settings import Settings
from otx.data.cache import cache_folder
from otx.data.pair_sequences import join
from otx.data.tokenised import tokenise
from otx.interfaces import Encoder
from otx.training.auxiliary_encoders import AuxiliaryEncoders, ema_update
from otx.training.weighted_objective import WeightedSum
from otx.types import Loss

DESCRIBED_LINES = 8


class TrainableAlignment:
    """Alignment as the loop sees it: the encoder, the objective's own parameters, and the batches of the bitext."""

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder,
        objective: WeightedSum,
        material: AlignmentData,
        beside: AuxiliaryEncoders,
    ) -> None:
        align, needs = settings.align, objective.needs
        self.encoder, self.objective, self.material = encoder, objective, material
        self.inertia = align.momentum
        self.beside = beside
        modules: dict[str, nn.Module] = {"encoder": encoder.module, "objective": objective}
        if beside.momentum is not None:
            modules["momentum"] = beside.momentum.module
        self.modules: Mapping[str, nn.Module] = modules
        self.views = Views(encoder, needs, beside, align.links_layer, settings.encoder.word_vector)
        self.taught = None
        if beside.teacher is not None and beside.teacher is not beside.reference:
            teacher, cache = beside.teacher, cache_folder()
            # A teacher of its own has its own limit; the encoder as it was reads what the encoder reads.
            limit = material.max_length if align.teacher is None else None
            self.taught = [
                tokenise(corpus, teacher, cache, max_length=limit) for corpus in material.train
            ]
        self.idf = count_idf(material) if needs.idf else None
        self.links = given_links(align, material) if needs.links else None

    def begin(self, step: int, steps: int) -> None:
        """Weights of this moment's terms; the moving average takes in what the last step made."""
        # The middle of the step: a weight that rises from 0 is above it from the first step on.
        self.objective.at((step + 0.5) / steps)
        if self.beside.momentum is not None and step > 0:
            ema_update(self.beside.momentum, self.encoder, self.inertia)

    def micro_batches(self, step: int) -> Sequence[tuple[int, np.ndarray]]:
        """(corpus, indices) of the step's micro-batches."""
        return self.material.sampler.micro_batches(step)

    def loss(self, batch: tuple[int, np.ndarray]) -> Loss:
        """The composite objective's loss of one batch of one language pair."""
        loss: Loss = self.objective(self.views(self.collate(*batch)))
        return loss

    def gradients(self) -> dict[str, float]:
        """Norms of what each objective sent into the encoder in this step."""
        return self.objective.taps.norms()

    def describe(self, batch: tuple[int, np.ndarray]) -> str:
        """The corpus and the first lines of the batch."""
        number, indices = batch
        corpus = self.material.train[number]
        lines = [str(corpus[int(i)].line) for i in indices[:DESCRIBED_LINES]]
        more = (
            f" and {len(indices) - DESCRIBED_LINES} more" if len(indices) > DESCRIBED_LINES else ""
        )
        return f"pairs of {corpus.name} in lines {', '.join(lines)}{more}"

    def size(self, batch: tuple[int, np.ndarray]) -> tuple[int, int]:
        """(pairs, sub-words of both sides)."""
        number, indices = batch
        return len(indices), int(self.material.tokenised[number].lengths[indices].sum())

    def collate(self, number: int, indices: np.ndarray) -> PairBatch:
        """The pairs ``indices`` of a corpus as both sides' tokens, and what is known of their words."""
        source_rows, pivot_rows, _ = self.material.tokenised[number].rows(indices)
        source, pivot = self.encoder.collate(source_rows), self.encoder.collate(pivot_rows)
        batch = PairBatch(source, pivot)
        if self.objective.needs.tlm:
            batch.joined = join(self.encoder, source_rows, pivot_rows)
        if self.taught is not None and self.beside.teacher is not None:
            _, taught, _ = self.taught[number].rows(indices)
            batch.teacher_pivot = self.beside.teacher.collate(taught)
        given = None if self.links is None else self.links[number]
        if given is not None:
            batch.links = link_rows([sorted(given[int(i)]) for i in indices], source, pivot)
        if self.idf is not None:
            own, of_pivot = self.idf[number]
            batch.source_idf = torch.from_numpy(own.weights(source_rows)).to(source.ids.device)
            batch.pivot_idf = torch.from_numpy(of_pivot.weights(pivot_rows)).to(pivot.ids.device)
        return batch
