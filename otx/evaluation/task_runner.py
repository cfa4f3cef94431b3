"""One task on one encoder: its pieces of work, each claimed, computed and written, or known already."""

from __future__ import annotations

import copy
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from otx.alignment.resume import circumstances_of
from otx.config.settings import Settings
from otx.data.overlap import count_hits
from otx.evaluation import finetuned_models
from otx.evaluation.faults import Faults
from otx.evaluation.finetune import (
    FIT_VERSION,
    Predictor,
    metrics_of,
    pick,
    predictor,
    task_owner,
    train_head,
)
from otx.evaluation.fit_quality import FitQuality, judge_fit
from otx.files.digests import content_key
from otx.interfaces import Encoder, ProbeTask, Task, TransferTask
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.layout import number
from otx.runs.results import (
    EvalUnit,
    Predictions,
    find_unit,
    read_unit,
    write_unit,
)
from otx.training.fit import FitHooks
from otx.training.runtime import StopSignals, choose_device, precision_name, versions
from otx.types import Example, Score

UNIT_SCHEMA = 1
CARRIED = "carried"
CLAIM_LETTERS = 16


@dataclass(slots=True)
class TaskRunner:
    """One task on one encoder: everything that a unit's content key is made of.

    Several processes may work on one run: what is computed in one go (a probe in one language; a head with one seed, in
    every language) is claimed first. ``others``: what was found claimed by another process, with its pid. ``reopen``:
    opens an encoder of the same plugin that lies in a folder. ``plugins``: kind, name, distribution and version of the
    plugins used. ``unit_finished``: is given each unit that was computed and written.
    """

    task: Task
    options: dict[str, Any]
    run: RunFolder
    encoder: Encoder
    model_digest: str
    encoder_options: dict[str, Any]
    autocast: torch.dtype | None
    settings: Settings
    reporter: Reporter
    signals: StopSignals
    others: dict[str, str]
    reopen: Callable[[Path], Encoder]
    plugins: Sequence[Mapping[str, str]]
    unit_finished: Callable[[EvalUnit], None]
    faults: Faults
    hashes: np.ndarray | None
    _training: str | None = None
    _fits: dict[int, FitQuality] = field(default_factory=dict)

    def units(self) -> Iterator[EvalUnit]:
        """Yield every unit in the order of a table; those that others are computing are left out."""
        languages = self._readable()
        if self.task.info.kind == "probe":
            yield from self._probe(languages)
            return
        fitted_units = self._transfer(languages)
        # Training files that cannot be used end the task before a floor stands alone in its table.
        first = list(islice(fitted_units, 1))
        if self.run.record["kind"] == "untouched":
            # A floor knows no encoder, and stands beside what knows no alignment.
            yield from self._floors(languages)
        yield from first
        yield from fitted_units

    def training(self, head_seed: int | None) -> str | None:
        """What a head was trained on: None for a probe, "carried" for a head that the checkpoint brought."""
        if self.task.info.kind == "probe":
            return None
        if head_seed is None:
            return CARRIED
        if self._training is None:
            wanted = self.settings.eval
            self._training = content_key(
                data=cast(TransferTask, self.task).training_fingerprint(),
                fit=FIT_VERSION,
                vocabulary=self.settings.encoder.vocabulary,
                checks=wanted.checks,
                patience=wanted.patience,
            )
        return self._training

    def key(self, language: str, head_seed: int | None, floor: str | None = None) -> str:
        """The content key of one unit: equal keys mean equal numbers."""
        return content_key(
            schema=UNIT_SCHEMA,
            task=self.task.info.name,
            version=self.task.info.version,
            language=language,
            data=self.task.fingerprint(language),
            training=None if floor else self.training(head_seed),
            model=None if floor else self.model_digest,
            encoder=None if floor else self.encoder_options,
            autocast=None if floor else str(self.autocast),
            options=self.options,
            head_seed=head_seed,
            floor=floor,
        )

    def _probe(self, languages: Sequence[str]) -> Iterator[EvalUnit]:
        task = cast(ProbeTask, self.task)
        for language in languages:
            key = self.key(language, None)

            def compute(language: str = language, key: str = key) -> list[EvalUnit]:
                self.reporter.stage(f"{task.info.name} {language} on {self.run.name}")
                began = time.perf_counter()
                found = task.probe(self.encoder, language)
                made = pick(task, f"probe({language!r})", found, task.examples(language))
                return [self._predicted(key, language, None, made, began)]

            yield from self._claimed([key], compute)

    def _transfer(self, languages: Sequence[str]) -> Iterator[EvalUnit]:
        task = cast(TransferTask, self.task)
        brought = self.encoder.carried_head(task.head_kind)
        carried = None if brought is None else task.carried(brought)
        seeds: Iterable[int | None] = [None] if carried is not None else self.settings.eval.seeds
        for seed in seeds:
            keys = {language: self.key(language, seed) for language in languages}

            def compute(seed: int | None = seed, keys: dict[str, str] = keys) -> list[EvalUnit]:
                if seed is None:
                    assert carried is not None
                    predict = predictor(task, self.encoder, carried, self.autocast)
                else:
                    predict = self._fit(task, seed)
                found = [self._language(predict, *item, seed) for item in keys.items()]
                scratch = self._head_folder(seed)
                for folder in scratch.parent.glob(f"{scratch.name.rpartition('-')[0]}-*"):
                    shutil.rmtree(folder, ignore_errors=True)
                return found

            yield from self._claimed(list(keys.values()), compute)

    def _floors(self, languages: Sequence[str]) -> Iterator[EvalUnit]:
        task = cast(TransferTask, self.task)
        for language in languages:
            keys = {name: self.key(language, None, name) for name in task.floor_names}

            def compute(language: str = language, keys: dict[str, str] = keys) -> list[EvalUnit]:
                began = time.perf_counter()
                scores = _floor_scores(task, language)
                return [
                    self._write(key, language, None, scores[name], None, began, floor=name)
                    for name, key in keys.items()
                ]

            yield from self._claimed(list(keys.values()), compute)

    def _readable(self) -> list[str]:
        """Return the languages to evaluate whose test sets can be read; the others are faults."""
        languages = languages_of(self.task, self.settings)
        return self.faults.readable(self.task, languages, strict=self.settings.eval.strict)

    def _claimed(
        self, keys: Sequence[str], compute: Callable[[], list[EvalUnit]]
    ) -> list[EvalUnit]:
        """The units with these keys: known, or computed unless another process is at it."""
        known = self._known(keys)
        if known is not None or not keys:
            return known or []
        work = content_key(keys=list(keys))[:CLAIM_LETTERS]
        with self.run.claim(work) as holder:
            if holder is not None:
                self.others[work] = holder
                return []
            # It may have been done between the look and the claim.
            return self._known(keys) or compute()

    def _known(self, keys: Sequence[str]) -> list[EvalUnit] | None:
        units = [find_unit(self.run, key) for key in keys]
        found = [unit for unit in units if unit is not None]
        return found if len(found) == len(keys) else None

    def _language(self, predict: Predictor, language: str, key: str, seed: int | None) -> EvalUnit:
        known = find_unit(self.run, key)
        if known is not None:
            return known
        self.reporter.stage(
            f"{self.task.info.name} {language} on {self.run.name}, head seed {seed}"
        )
        began = time.perf_counter()
        return self._predicted(key, language, seed, predict(self.task.examples(language)), began)

    def _predicted(
        self,
        key: str,
        language: str,
        seed: int | None,
        made: Iterable[tuple[Example, Any]],
        began: float,
    ) -> EvalUnit:
        """Score predictions as they come, and write them on their way."""
        with Predictions(self.run, self.task.info.name) as predictions:
            scores = []
            for example, prediction in made:
                predictions.add(example.id, prediction)
                score = self.task.score(prediction, example)
                if not isinstance(score, Score):
                    raise task_owner(self.task).fault(
                        f"score returns a {type(score).__name__}, expected an otx.types.Score"
                    )
                scores.append(score)
            return self._write(key, language, seed, scores, predictions, began)

    def _head_key(self, seed: int | None) -> str:
        """The content key of a fine-tuned model."""
        return content_key(
            model=self.model_digest,
            encoder=self.encoder_options,
            autocast=str(self.autocast),
            training=self.training(seed),
            options=self.options,
            head_seed=seed,
        )

    def _head_folder(self, seed: int | None) -> Path:
        # Under other versions, threads or device a killed fit starts again: going on would not be exact.
        circumstances = content_key(**circumstances_of(choose_device(self.settings.runtime.device)))
        name = f".head-{self._head_key(seed)[:12]}-{circumstances[:8]}"
        return self.run.results / self.task.info.name / name

    def _kept(self, task: TransferTask, seed: int) -> Predictor | None:
        """The model that was fitted for other languages before, if it was kept."""
        folder = finetuned_models.known(self.run, task.info.name, seed, self._head_key(seed))
        if folder is None:
            return None
        _, record = finetuned_models.find(self.run, task.info.name, seed)
        self._judge(task, seed, record.development, record.step, record.size)
        encoder = self.reopen(folder)
        brought = encoder.carried_head(task.head_kind)
        head = None if brought is None else task.carried(brought)
        return None if head is None else predictor(task, encoder, head, self.autocast)

    def _fit(self, task: TransferTask, seed: int) -> Predictor:
        """A head fitted on the source language, from a fresh copy of the run's encoder; a killed fit goes on."""
        kept = self._kept(task, seed)
        if kept is not None:
            return kept
        label = f"{task.info.name} head, seed {seed}, on {self.run.name}"
        self.reporter.stage(f"fitting the {label}")
        encoder = copy.deepcopy(self.encoder)
        total = 0

        def started(start: int, last: int) -> None:
            nonlocal total
            total = last

        def step_finished(row: dict[str, float]) -> None:
            self.reporter.progress(label, int(row["step"]), total, row)

        hooks = FitHooks(
            started=started,
            step_finished=step_finished,
            checkpoint_saved=lambda path: None,
            notice=self.reporter.notice,
            stop_requested=lambda: self.signals.requested,
        )
        predict, checks = train_head(
            task,
            encoder,
            seed,
            self._head_folder(seed),
            hooks,
            self.autocast,
            self.settings.eval,
            self.signals,
            whole_vocabulary=self.settings.encoder.vocabulary == "whole",
        )
        kinds = Counter(problem.kind for problem in task.problems())
        for kind, count in kinds.items():
            self.reporter.notice(f"{task.info.name}: {count:,} refused in its files ({kind})")
        history = {str(step): value for step, value in sorted(checks.history.items())}
        metric = task.info.metrics[0]
        said = ", ".join(
            f"{number(value, metric.percent)} at step {step}" for step, value in history.items()
        )
        self.reporter.stage(
            f"{label}: development {metric.name} {said}; the weights of step {checks.best} are kept"
        )
        self._judge(task, seed, history, checks.best, checks.size)
        if self.settings.eval.keep_models:
            made_of = finetuned_models.Fitted(
                self._head_key(seed),
                task.info.name,
                task.info.version,
                self.options,
                seed,
                history,
                checks.best,
                checks.size,
            )
            finetuned_models.keep(self.run, made_of, encoder)
        return predict

    def _judge(
        self,
        task: TransferTask,
        seed: int,
        development: Mapping[str, float],
        step: int,
        size: int,
    ) -> None:
        """Compare a fit with the floors on the source language's test examples, and say if it learnt nothing."""
        metric = task.info.metrics[0]
        source = getattr(task.options, "source", None) or task.info.source_language
        floors = task.floors(source) if size and source in task.languages() else {}
        values = {name: metrics_of(task, scores)[metric.name] for name, scores in floors.items()}
        fit = judge_fit(metric, development[str(step)], step, size, values)
        self._fits[seed] = fit
        if not fit.left_chance:
            beside = (
                ""
                if fit.floor_value is None
                else f", {fit.floor} {number(fit.floor_value, metric.percent)}"
            )
            self.reporter.notice(
                f"{task.info.name} head, seed {seed}, on {self.run.name} never left chance: best development "
                f"{fit.metric} {number(fit.best, metric.percent)}{beside}; raise {task.info.name}.warmup or .epochs"
            )

    def _write(
        self,
        key: str,
        language: str,
        seed: int | None,
        scores: Sequence[Score],
        predictions: Predictions | None,
        began: float,
        floor: str | None = None,
    ) -> EvalUnit:
        task = self.task
        for line in [] if floor else task.notes(language, scores):
            self.reporter.notice(f"{task.info.name} {language}: {line}")
        unit = EvalUnit(
            task=task.info.name,
            task_version=task.info.version,
            language=language,
            metrics=metrics_of(task, scores),
            alignment_seed=self.run.record.get("alignment_seed"),
            head_seed=seed,
            key=key,
            data_digest=task.fingerprint(language),
            model_digest=self.model_digest,
            training_digest=None if floor else self.training(seed),
            count=len(scores),
            floor=floor,
            options=self.options,
            contamination=self._contamination(language),
            seconds=time.perf_counter() - began,
            versions=versions(),
            data=self._data_name(),
            precision=None if floor else precision_name(self.autocast),
            encoder_options={} if floor else self.encoder_options,
            fit=asdict(self._fits[seed]) if seed in self._fits and not floor else None,
            plugins=[one for one in self.plugins if not floor or one["kind"] != "encoder"],
        )
        written = read_unit(write_unit(self.run, unit, scores, predictions))
        self.unit_finished(written)
        return written

    def _data_name(self) -> str | None:
        """The folder that the task's data came from, by its last name; None without one."""
        folder = getattr(self.task.options, "data", None)
        return None if folder is None else Path(folder).resolve().name

    def _contamination(self, language: str) -> dict[str, int]:
        """How many of the tested sentences occur, normalised, in the run's bitext."""
        texts = self.task.sentences(language)
        hits = 0 if self.hashes is None else count_hits(texts, self.hashes)
        return {"hits": hits, "size": len(texts)}


def _floor_scores(task: TransferTask, language: str) -> dict[str, list[Score]]:
    """The scores of every floor that the task names. Raises PluginError for one that it leaves out."""
    scores = task.floors(language)
    missing = [name for name in task.floor_names if name not in scores]
    if missing:
        raise task_owner(task).fault(f"floors leaves out {', '.join(missing)}")
    return scores


def languages_of(task: Task, settings: Settings) -> list[str]:
    """Of the languages asked for those that the task has, in the order asked; all that it has if none is named."""
    there = task.languages()
    return [language for language in settings.eval.languages or there if language in there]
