"""Run one task on one encoder: each unit is known already, or claimed, computed and written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from otx.config.schema import EvalSettings
from otx.data.overlap import count_hits
from otx.evaluation.faults import Faults
from otx.evaluation.finetune import Predictor, metrics_of, pick, predictor, task_owner
from otx.evaluation.head_fitting import HeadFitter
from otx.evaluation.open_encoder import OpenEncoder
from otx.evaluation.unit_keys import KeyMaker, TrainingProcedure
from otx.evaluation.unit_store import UnitStore
from otx.interfaces import ProbeTask, Task, TransferTask
from otx.runs.results import EvalUnit, Predictions
from otx.training.runtime import StopSignals, precision_name, versions
from otx.training.session import Session
from otx.types import Example, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The smallest piece of work: a language with one head, or with one baseline.

    Attributes:
        language: The tested language.
        key: Content key.
        head_seed: Seed of the head; None for a probe, a baseline and a head of the checkpoint.
        baseline: Name of the baseline without an encoder; None for a unit of the encoder.
    """

    language: str
    key: str
    head_seed: int | None = None
    baseline: str | None = None


class TaskRunner:
    """Compute the units of one task on one encoder.

    Args:
        session: Tables ``[eval]``, ``[encoder]`` and ``[runtime]``, and the reporter.
        task: The task.
        model: The encoder.
        store: Units of the run.
        signals: Signals that stop a fine-tuning after a step.
        faults: Collects test sets that cannot be read.
        hashes: Hashes of the run's bitext, to count contamination; None for an encoder without alignment.
        plugins: Kind, name, distribution and version of the plugins used.
    """

    def __init__(
        self,
        session: Session,
        task: Task,
        *,
        model: OpenEncoder,
        store: UnitStore,
        signals: StopSignals,
        faults: Faults,
        hashes: np.ndarray | None,
        plugins: Sequence[Mapping[str, str]],
    ) -> None:
        self.session, self.task, self.model, self.store = session, task, model, store
        self.signals, self.faults, self.hashes, self.plugins = signals, faults, hashes, plugins
        settings = session.settings
        procedure = TrainingProcedure.of(settings.eval, settings.encoder.vocabulary)
        self.keys = KeyMaker(task, model.identity, procedure)
        self.heads: HeadFitter | None = None
        if task.info.kind == "transfer":
            self.heads = HeadFitter(
                session,
                cast(TransferTask, task),
                model=model,
                keys=self.keys,
                store=store,
                signals=signals,
            )

    def units(self) -> Iterator[EvalUnit]:
        """Yield every unit in the order of a table.

        Units that other processes are computing are left out.

        Raises:
            DataError: If the training data cannot be used. Test sets that cannot be read are added to the faults.
        """
        settings = self.session.settings.eval
        languages = self.faults.readable(
            self.task, languages_of(self.task, settings), strict=settings.strict
        )
        if self.heads is None:
            yield from self._probe(languages)
            return
        transfer = self._transfer(self.heads, languages)
        # Unusable training data ends the task before its table would have nothing but baselines.
        first = list(islice(transfer, 1))
        if self.store.run.record["kind"] == "untouched":
            # A baseline without an encoder is shown with the encoder before any alignment.
            yield from self._baselines(languages)
        yield from first
        yield from transfer

    def _probe(self, languages: Sequence[str]) -> Iterator[EvalUnit]:
        task = cast(ProbeTask, self.task)
        for language in languages:
            unit = Unit(language=language, key=self.keys.unit(language, None))

            def compute(unit: Unit = unit) -> list[EvalUnit]:
                self._stage(f"{task.info.name} {unit.language} on {self.store.run.name}")
                began = time.perf_counter()
                result = task.probe(self.model.encoder, unit.language)
                method = f"probe({unit.language!r})"
                predictions = pick(task, method, result, task.examples(unit.language))
                return [self._score(unit, predictions, began)]

            yield from self.store.obtain([unit.key], compute)

    def _transfer(self, heads: HeadFitter, languages: Sequence[str]) -> Iterator[EvalUnit]:
        task = heads.task
        checkpoint_head = self.model.encoder.carried_head(task.head_kind)
        carried = None if checkpoint_head is None else task.carried(checkpoint_head)
        seeds: Iterable[int | None] = (
            self.session.settings.eval.seeds if carried is None else [None]
        )
        unused = checkpoint_head
        for seed in seeds:
            units = [
                Unit(language=language, key=self.keys.unit(language, seed), head_seed=seed)
                for language in languages
            ]

            def compute(seed: int | None = seed, units: list[Unit] = units) -> list[EvalUnit]:
                nonlocal unused
                if seed is None:
                    assert carried is not None
                    predict = predictor(task, self.model.encoder, carried, self.model.autocast)
                    return [self._predict(predict, unit) for unit in units]
                self._explain_unused(task, unused)
                unused = None
                predict = heads.fit(seed)
                computed = [self._predict(predict, unit) for unit in units]
                heads.remove_scratch(seed)
                return computed

            yield from self.store.obtain([unit.key for unit in units], compute)

    def _baselines(self, languages: Sequence[str]) -> Iterator[EvalUnit]:
        task = cast(TransferTask, self.task)
        for language in languages:
            units = [
                Unit(
                    language=language,
                    key=self.keys.unit(language, None, baseline),
                    baseline=baseline,
                )
                for baseline in task.baseline_names
            ]

            def compute(language: str = language, units: list[Unit] = units) -> list[EvalUnit]:
                began = time.perf_counter()
                scores = _baseline_scores(task, language)
                return [
                    self._write(unit, scores[unit.baseline or ""], None, began) for unit in units
                ]

            yield from self.store.obtain([unit.key for unit in units], compute)

    def _explain_unused(self, task: TransferTask, head: nn.Module | None) -> None:
        """Tell the user, where the task can, why the checkpoint's own head is not used."""
        explain = getattr(task, "unused_head_reason", None)
        reason = None if head is None or explain is None else explain(head)
        if reason is not None:
            self.session.reporter.notice(f"{task.info.name}: {reason}")

    def _predict(self, predict: Predictor, unit: Unit) -> EvalUnit:
        known = self.store.find(unit.key)
        if known is not None:
            return known
        name = f"{self.task.info.name} {unit.language} on {self.store.run.name}"
        self._stage(f"{name}, head seed {unit.head_seed}")
        began = time.perf_counter()
        return self._score(unit, predict(self.task.examples(unit.language)), began)

    def _score(
        self, unit: Unit, predictions: Iterable[tuple[Example, Any]], began: float
    ) -> EvalUnit:
        """Score and write predictions one by one, so that they are never all in memory."""
        with self.store.predictions(self.task.info.name) as file:
            scores = []
            for example, prediction in predictions:
                file.add(example.id, prediction)
                score = self.task.score(prediction, example)
                if not isinstance(score, Score):
                    raise task_owner(self.task).fault(
                        f"score returns a {type(score).__name__}, expected an otx.types.Score"
                    )
                scores.append(score)
            return self._write(unit, scores, file, began)

    def _write(
        self, unit: Unit, scores: Sequence[Score], predictions: Predictions | None, began: float
    ) -> EvalUnit:
        task, identity, of_encoder = self.task, self.model.identity, unit.baseline is None
        for line in task.notes(unit.language, scores) if of_encoder else []:
            self.session.reporter.notice(f"{task.info.name} {unit.language}: {line}")
        result = EvalUnit(
            task=task.info.name,
            task_version=task.info.version,
            language=unit.language,
            metrics=metrics_of(task, scores),
            alignment_seed=self.store.run.record.get("alignment_seed"),
            head_seed=unit.head_seed,
            key=unit.key,
            data_digest=task.fingerprint(unit.language),
            model_digest=identity.digest,
            training_digest=self.keys.training(unit.head_seed) if of_encoder else None,
            count=len(scores),
            floor=unit.baseline,
            options=self.keys.options,
            contamination=self._contamination(unit.language),
            seconds=time.perf_counter() - began,
            versions=versions(),
            data=self._data_name(),
            precision=precision_name(self.model.autocast) if of_encoder else None,
            encoder_options=identity.options if of_encoder else {},
            fit=self._fit_quality(unit),
            plugins=[one for one in self.plugins if of_encoder or one["kind"] != "encoder"],
        )
        return self.store.write(result, scores, predictions)

    def _fit_quality(self, unit: Unit) -> dict[str, Any] | None:
        if self.heads is None or unit.head_seed is None:
            return None
        quality = self.heads.qualities.get(unit.head_seed)
        return None if quality is None else asdict(quality)

    def _data_name(self) -> str | None:
        """Return the name of the folder that the task's data came from; None without one."""
        folder = getattr(self.task.options, "data", None)
        return None if folder is None else Path(folder).resolve().name

    def _contamination(self, language: str) -> dict[str, int]:
        """Count the tested sentences that occur, normalised, in the run's bitext."""
        texts = self.task.sentences(language)
        hits = 0 if self.hashes is None else count_hits(texts, self.hashes)
        return {"hits": hits, "size": len(texts)}

    def _stage(self, text: str) -> None:
        self.session.reporter.stage(f"Evaluating {text}")


def _baseline_scores(task: TransferTask, language: str) -> dict[str, list[Score]]:
    """Return the scores of every baseline that the task names; raise PluginError for a missing one."""
    scores = task.baselines(language)
    missing = [name for name in task.baseline_names if name not in scores]
    if missing:
        raise task_owner(task).fault(f"baselines leaves out {', '.join(missing)}")
    return scores


def languages_of(task: Task, settings: EvalSettings) -> list[str]:
    """Return the languages to evaluate a task in.

    Args:
        task: The task.
        settings: Table ``[eval]``.

    Returns:
        The requested languages that the task has, in the order requested; all of the task's if none is requested.
    """
    available = task.languages()
    return [language for language in settings.languages or available if language in available]
