"""Measure the encoder during an alignment, and keep the best weights: one held-out part selects, another reports."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otx.alignment import diagnostics
from otx.alignment.data import AlignmentData
from otx.alignment.diagnostics import Measurement
from otx.alignment.heldout_retrieval import HeldOut
from otx.config.schema import DiagnosticsSettings
from otx.data.cache import built, cache_folder
from otx.data.subset import Subset
from otx.errors import UsageError
from otx.files.digests import short_key
from otx.files.reading import read_object
from otx.interfaces import Corpus, Encoder
from otx.runs.measures import measure_text
from otx.training.best_checkpoint import BestCheckpoint
from otx.training.runtime import device_name
from otx.types import WordVector

BEST = "best"
"""Name of the folder of the best weights, in the run's folder."""
LOWER_IS_BETTER = {"aer"}
VERSION = 2
"""Raised whenever the same encoder would be measured differently."""
_MEASURED = "measured.json"


@dataclasses.dataclass(frozen=True, slots=True)
class SelectionSettings:
    """Options of the measurements during an alignment.

    Attributes:
        diagnostics: Interval of the measurements, and the metric that selects.
        checkpoint_every: Interval of the measurements if a metric selects and ``diagnostics.every`` is not set.
        layer: Hidden layer of the vectors.
        word_vector: Sub-words that make a word's vector.
    """

    diagnostics: DiagnosticsSettings
    checkpoint_every: int
    layer: int
    word_vector: WordVector


class ModelSelector:
    """Measures the encoder on held-out pairs, and keeps the best weights by one metric.

    If ``diagnostics.keep_best`` is ``aer``, even gold pairs select and odd ones report; otherwise all of them report.

    Args:
        settings: Options of the measurements.
        encoder: The encoder.
        data: Held-out pairs, distractors and gold word links.
        folder: Folder of the best weights so far.
        steps: Number of optimiser steps of the run.
        device: Device to which the encoder is moved while it is measured; None measures it where it is.

    Raises:
        UsageError: If the metric that selects cannot be measured.
    """

    def __init__(
        self,
        settings: SelectionSettings,
        encoder: Encoder,
        data: AlignmentData,
        *,
        folder: Path,
        steps: int,
        device: torch.device | None = None,
    ) -> None:
        self.settings, self.encoder, self.steps = settings, encoder, steps
        self.device = device or next(encoder.module.parameters()).device
        self.max_length = data.max_length
        self.metric = settings.diagnostics.keep_best
        self.best = BestCheckpoint(
            folder,
            {"encoder": encoder.module},
            higher_is_better=self.metric not in LOWER_IS_BETTER,
        )
        every_checkpoint = settings.checkpoint_every if self.metric else 0
        self.every = settings.diagnostics.every or every_checkpoint
        _check_measurable(self.metric, data)
        shared = self.metric != "aer"
        gold = data.gold
        self.report = HeldOut(data.report, data.distractors, gold if shared else gold[1::2])
        fewer = _affordable_distractors(data, min(self.every, steps))
        self.select = HeldOut(data.select, fewer, [] if shared else gold[::2])

    def reported(self) -> Measurement:
        """Measure the encoder on the pairs that report."""
        return self._measured(self.report)[0]

    def untouched(self, digest: str) -> dict[str, Any]:
        """Measure the initial encoder, or take what an earlier run measured from the cache.

        Runs that compare objectives or seeds begin with the same encoder and hold out the same pairs.

        Args:
            digest: Digest of the initial encoder.

        Returns:
            The fields ``guards`` and ``diagnostics`` of the record. The latter counts queries, candidates and errors
            of the part ``report`` and, if there are measurements during the run, of ``select``.
        """
        parts = {"report": self.report} | ({"select": self.select} if self.every else {})

        def build(folder: Path) -> None:
            measured = dict(zip(parts, self._measured(*parts.values()), strict=True))
            fields = {
                "guards": {"before": measured["report"].numbers},
                "diagnostics": {name: _counted(part) for name, part in measured.items()},
            }
            (folder / _MEASURED).write_text(json.dumps(fields))

        held_out = {name: part.fingerprint() for name, part in parts.items()}
        key = short_key(
            VERSION, digest, self._options(), held_out, _arithmetic(self.encoder, self.device)
        )
        return read_object(built(cache_folder() / "untouched" / key, build) / _MEASURED)

    def refuse_ceiling(self, recorded: dict[str, Any]) -> None:
        """Refuse a metric that cannot show a gain on the pairs that select.

        Args:
            recorded: The field ``diagnostics`` of the record.

        Raises:
            UsageError: If the metric that selects is at its ceiling before training.
        """
        if self.metric is None:
            return
        selection = recorded["select"]
        reason = selection["ceilings"].get(self.metric)
        if reason is None:
            return
        value = selection["numbers"][self.metric]
        examples, errors = selection["examples"][self.metric], selection["errors"][self.metric]
        remedies = {
            "retrieval": "hold out more pairs (data.heldout), search more candidates (diagnostics.candidates; "
            "raise diagnostics.every if measurements use fewer), or keep the best by aer",
            "aer": "give more gold word links, or keep the best by retrieval",
        }
        raise UsageError(
            f"the best cannot be kept by {self.metric}, {measure_text(self.metric, value)} before training: {reason} "
            f"({errors} of {examples} pairs have an error)",
            remedies[self.metric],
        )

    def is_due(self, step: int) -> bool:
        """Return whether the weights are measured after this step.

        Args:
            step: Number of optimiser steps that are done.
        """
        return bool(self.every) and (step % self.every == 0 or step == self.steps)

    def look(self, step: int) -> dict[str, float]:
        """Measure on the pairs that select, and keep the weights if they are the best.

        Args:
            step: Number of optimiser steps that are done.

        Returns:
            Columns of metrics.jsonl, ``guards.NAME``.
        """
        numbers = self._measured(self.select)[0].numbers
        if self.metric is not None:
            self.best.offer(step, numbers[self.metric], {"metric": self.metric})
        return {f"guards.{name}": value for name, value in numbers.items()}

    def put_back(self) -> dict[str, float | str] | None:
        """Restore the best weights.

        Returns:
            Their metric, step and value; None if no weights were kept.

        Raises:
            CheckpointError: If the kept weights are damaged.
        """
        kept = None if self.metric is None else self.best.restore()
        if self.metric is None or kept is None:
            return None
        return {"metric": self.metric, "step": kept.step, "value": kept.state["value"]}

    def _measured(self, *parts: HeldOut) -> list[Measurement]:
        layer, vector, max_length = self._options()
        module = self.encoder.module
        home = next(module.parameters()).device
        module.to(self.device)
        try:
            return diagnostics.measure(self.encoder, parts, layer, vector, max_length=max_length)
        finally:
            module.to(home)

    def _options(self) -> tuple[int, WordVector, int]:
        return self.settings.layer, self.settings.word_vector, self.max_length


def _arithmetic(encoder: Encoder, device: torch.device) -> list[object]:
    """Return what the last digits depend on, and the encoder's class, which says how its weights are used."""
    kind = f"{type(encoder).__module__}.{type(encoder).__qualname__}"
    versions = torch.__version__, version("numba")
    return [kind, *versions, torch.get_num_threads(), device_name(device)]


def _counted(measurement: Measurement) -> dict[str, Any]:
    """Return a measurement as the record keeps it, with the reasons why measures cannot show a gain."""
    return dataclasses.asdict(measurement) | {"ceilings": measurement.ceilings()}


def _affordable_distractors(data: AlignmentData, steps: int) -> list[Corpus]:
    """Return as many distractors as have no more sub-words than ``steps`` steps train on.

    A measurement only passes forward, about a third of a training step's work, so that measurements add about a third
    to the time of a run at most. All measurements of a run use the same distractors.
    """
    sizes = [tokens.tokens for tokens in data.tokenised]
    trained = steps * sum(sizes) / data.sampler.steps_per_epoch
    searched = sum(
        len(distractors) * size / len(corpus)
        for distractors, size, corpus in zip(data.distractors, sizes, data.train, strict=True)
    )
    share = min(1.0, trained / searched) if searched else 0.0
    return [Subset(corpus, np.arange(int(share * len(corpus)))) for corpus in data.distractors]


def _check_measurable(metric: str | None, data: AlignmentData) -> None:
    if metric == "retrieval" and not any(map(len, data.select)):
        raise UsageError(
            "the best cannot be kept by retrieval: no pair is held out to select by",
            "raise data.heldout, or give more pairs",
        )
    if metric == "aer" and len(data.gold) < 2:
        raise UsageError(
            "the best cannot be kept by aer: there are no gold word links", "give them with --gold"
        )
