"""What the guards say on the way, and the encoder that is kept: chosen on one held-out part, reported on another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from otx.alignment import diagnostics
from otx.alignment.data import AlignmentData
from otx.alignment.diagnostics import Measurement
from otx.alignment.heldout_retrieval import HeldOut
from otx.config.settings import Settings
from otx.data.subset import Subset
from otx.errors import UsageError
from otx.files.shapes import NUMBER
from otx.interfaces import Corpus, Encoder
from otx.runs.measures import measure_text
from otx.training import checkpoint

BEST = "best"
LOWER_IS_BETTER = {"aer"}


class ModelSelector:
    """Measures the encoder on held-out pairs; ``folder`` is where the best encoder so far lies.

    Gold links select on their even pairs and report on their odd ones if ``diagnostics.keep_best`` is ``aer``;
    otherwise all of them report. Raises UsageError where the metric to keep the best by cannot be measured.
    """

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder,
        material: AlignmentData,
        folder: Path,
        steps: int,
    ) -> None:
        self.settings, self.encoder, self.folder, self.steps = settings, encoder, folder, steps
        self.max_length = material.max_length
        self.metric = settings.diagnostics.keep_best
        every_checkpoint = settings.checkpoint.every if self.metric else 0
        self.every = settings.diagnostics.every or every_checkpoint
        _check_measurable(self.metric, material)
        shared = self.metric != "aer"
        gold = material.gold
        self.report = HeldOut(material.report, material.distractors, gold if shared else gold[1::2])
        fewer = _affordable_distractors(material, min(self.every, steps))
        self.select = HeldOut(material.select, fewer, [] if shared else gold[::2])

    def reported(self) -> Measurement:
        """Measure what is reported."""
        return self._measured(self.report)[0]

    def untouched(self) -> dict[str, Any]:
        """Measure the encoder before training; returns the record's ``guards`` and ``diagnostics``.

        Diagnostics count queries, candidates and errors of ``report`` and, where there are looks, of ``select``.
        """
        parts = {"report": self.report} | ({"select": self.select} if self.every else {})
        measured = dict(zip(parts, self._measured(*parts.values()), strict=True))
        diagnostics = {name: _counted(part) for name, part in measured.items()}
        return {"guards": {"before": measured["report"].numbers}, "diagnostics": diagnostics}

    def refuse_ceiling(self, diagnostics: dict[str, Any]) -> None:
        """Raise UsageError if the metric to keep the best by cannot show a gain on the pairs to choose by."""
        if self.metric is None:
            return
        chosen = diagnostics["select"]
        reason = chosen["ceilings"].get(self.metric)
        if reason is None:
            return
        value = chosen["numbers"][self.metric]
        examples, errors = chosen["examples"][self.metric], chosen["errors"][self.metric]
        remedies = {
            "retrieval": "hold out more pairs (data.heldout), search more candidates (diagnostics.candidates; "
            "raise diagnostics.every if looks use fewer), or keep the best by aer",
            "aer": "give more gold word links, or keep the best by retrieval",
        }
        raise UsageError(
            f"the best cannot be kept by {self.metric}, {measure_text(self.metric, value)} before training: {reason} "
            f"({errors} of {examples} pairs have an error)",
            remedies[self.metric],
        )

    def look(self, step: int) -> dict[str, float]:
        """At the steps that are looked at, and at the last: the guards on what is chosen by, as ``diagnostics.NAME``.

        The best encoder is kept.
        """
        if not self.every or (step % self.every and step != self.steps):
            return {}
        numbers = self._measured(self.select)[0].numbers
        if self.metric is not None:
            self._keep(step, numbers[self.metric])
        return {f"guards.{name}": value for name, value in numbers.items()}

    def put_back(self) -> dict[str, float | str] | None:
        """Give the encoder the best weights that were kept; returns metric, step and value, None if none were."""
        kept = self._best()
        if self.metric is None or kept is None:
            return None
        checkpoint.load(kept, {"encoder": self.encoder.module}, None)
        return {"metric": self.metric, "step": kept.step, "value": kept.state["value"]}

    def _best(self) -> checkpoint.Checkpoint | None:
        """The best encoder so far. Raises CheckpointError where it is damaged: a worse one must not take its place."""
        best, damaged = checkpoint.newest(self.folder, {"metric": str, "value": NUMBER})
        for error in damaged:
            raise error
        return best

    def _keep(self, step: int, value: float) -> None:
        best = self._best()
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        if best is None or sign * value > sign * best.state["value"]:
            state = {"metric": self.metric, "value": value}
            checkpoint.save(self.folder, step, {"encoder": self.encoder.module}, None, state)
            checkpoint.prune(self.folder, 1)

    def _measured(self, *parts: HeldOut) -> list[Measurement]:
        layer, vector = self.settings.encoder.layer, self.settings.encoder.word_vector
        return diagnostics.measure(self.encoder, parts, layer, vector, self.max_length)


def _counted(measurement: Measurement) -> dict[str, Any]:
    """A measurement as the record keeps it, and why a measure of it cannot show a gain."""
    return dataclasses.asdict(measurement) | {"ceilings": measurement.ceilings()}


def _affordable_distractors(material: AlignmentData, steps: int) -> list[Corpus]:
    """Return as many distractors as have no more sub-words than ``steps`` steps train on.

    A look only passes forward, about a third of a training step's work, so that looks add about a third to the time
    of a run at most. All looks of a run use the same distractors.
    """
    sizes = [int(own.lengths.sum()) for own in material.tokenised]
    trained = steps * sum(sizes) / material.plan.steps_per_epoch
    searched = sum(
        len(distractors) * size / len(corpus)
        for distractors, size, corpus in zip(
            material.distractors, sizes, material.train, strict=True
        )
    )
    share = min(1.0, trained / searched) if searched else 0.0
    return [Subset(corpus, np.arange(int(share * len(corpus)))) for corpus in material.distractors]


def _check_measurable(metric: str | None, material: AlignmentData) -> None:
    if metric == "retrieval" and not any(map(len, material.select)):
        raise UsageError(
            "the best cannot be kept by retrieval: no pair is held out to choose by",
            "raise data.heldout, or give more pairs",
        )
    if metric == "aer" and len(material.gold) < 2:
        raise UsageError(
            "the best cannot be kept by aer: there are no gold word links", "give them with --gold"
        )
