"""`otx eval`: run folder -> encoder -> task -> score per example -> run folder; each unit is written when done."""

from __future__ import annotations

import copy
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from otx.config import Settings
from otx.contracts import Encoder, ProbeTask, Task, TransferTask
from otx.data.overlap import count_hits
from otx.engine.finetune import Predictor, predictor, train_head
from otx.engine.fit import FitHooks
from otx.engine.prepare import open_encoder, plain_options, plugin_of
from otx.engine.record import HASHES
from otx.engine.report import Reporter
from otx.engine.runtime import StopSignals, choose_autocast, open_device, precision_name, versions
from otx.errors import DataError, UsageError
from otx.plugins import PluginHost
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit, content_key, find_unit, read_unit, write_unit
from otx.types import Score

UNIT_SCHEMA = 1
CARRIED = "carried"


@dataclass(slots=True)
class Bench:
    """One task on one encoder: everything that a unit's content key is made of."""

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
    _training: str | None = None

    def training(self, head_seed: int | None) -> str | None:
        """What a head was trained on: None for a probe, "carried" for a head that the checkpoint brought."""
        if self.task.info.kind == "probe":
            return None
        if head_seed is None:
            return CARRIED
        if self._training is None:
            self._training = cast(TransferTask, self.task).training_fingerprint()
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


def evaluate(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    tasks: Sequence[str],
    targets: Sequence[RunFolder],
) -> list[tuple[RunFolder, EvalUnit]]:
    """Evaluate every task on every target; units with a known content key are read, not computed.

    Raises Interrupted (exit 5) after a signal: finished units are kept, and the same command goes on with the rest.
    """
    entries = [host.registry.find("task", name) for name in tasks]
    options = [settings.options_for(entry) for entry in entries]
    made: list[Task] = [
        entry.load()(option) for entry, option in zip(entries, options, strict=True)
    ]
    for task in made:
        languages_of(task, settings)
    device = open_device(settings.align.device)
    found: list[tuple[RunFolder, EvalUnit]] = []
    with StopSignals("finished units are kept; the same command goes on") as signals:
        for run in targets:
            encoder, encoder_options = _encoder_of(run, host, settings)
            encoder.module.to(device).eval()
            for note in getattr(encoder, "notes", []):
                reporter.notice(str(note))
            digest, autocast = encoder.digest(), choose_autocast(settings.align.dtype, device)
            _refuse_another(run, digest)
            for task, option in zip(made, options, strict=True):
                bench = Bench(
                    task,
                    plain_options(option),
                    run,
                    encoder,
                    digest,
                    encoder_options,
                    autocast,
                    settings,
                    reporter,
                    signals,
                )
                with run.lock():
                    units = _probe(bench) if task.info.kind == "probe" else _transfer(bench)
                    if run.record["kind"] == "untouched" and task.info.kind == "transfer":
                        # A floor knows no encoder, and stands beside what knows no alignment.
                        units = [*_floors(bench), *units]
                    found += [(run, unit) for unit in units]
    return found


def targets_of(
    settings: Settings, host: PluginHost, names: Sequence[str], model: str | None
) -> list[RunFolder]:
    """The runs to evaluate, each behind its untouched encoder; with ``model``, that encoder alone, untouched."""
    root = Path(settings.runs.folder)
    if model is not None:
        return [_untouched(root, model, host, settings)]
    runs = [RunFolder.open(root, name) for name in names] or [RunFolder.newest(root)]
    targets: dict[str, RunFolder] = {}
    for run in runs:
        if run.record["kind"] == "align":
            if run.record["status"] != "finished":
                raise UsageError(
                    f"run {run.name} is {run.record['status']}, not finished",
                    f"finish it with: otx align --resume {run.name}",
                )
            before = _untouched(root, run.record["model"], host, settings)
            if before.record["model_digest"] != run.record["model_digest_before"]:
                raise DataError(
                    f"{run.record['model']} is no longer the encoder that run {run.name} began with",
                    f"put it back, or evaluate what was made of it alone: --model {run.model}",
                )
            targets[before.name] = before
    return [*targets.values(), *(run for run in runs if run.name not in targets)]


def _untouched(root: Path, model: str, host: PluginHost, settings: Settings) -> RunFolder:
    digest = open_encoder(model, host.registry, settings).digest()
    return RunFolder.untouched(root, model, digest)


def _encoder_of(
    run: RunFolder, host: PluginHost, settings: Settings
) -> tuple[Encoder, dict[str, Any]]:
    """The run's encoder, through the plugin that it was aligned with, and that plugin's options."""
    name, reference = plugin_of(run.record["model"], host.registry)
    if run.record["kind"] == "align":
        reference = str(run.model)
    options = settings.options_for(host.registry.find("encoder", name))
    return open_encoder(f"{name}:{reference}", host.registry, settings), plain_options(options)


def _refuse_another(run: RunFolder, digest: str) -> None:
    """What stands for an encoder as it came must be that encoder; an alignment's own weights may have been changed."""
    if run.record["kind"] == "untouched" and digest != run.record["model_digest"]:
        raise DataError(
            f"{run.record['model']} is no longer the encoder whose results lie in {run.path}",
            "put it back, or evaluate what it is now: --model " + str(run.record["model"]),
        )


def languages_of(task: Task, settings: Settings) -> list[str]:
    """The languages asked for, or all. Raises UsageError naming those that the task has no data for."""
    there = task.languages()
    wanted = list(settings.eval.languages) or there
    missing = [language for language in wanted if language not in there]
    if missing:
        raise UsageError(
            f"{task.info.name} has no data for {', '.join(missing)}",
            f"it has: {', '.join(there)}",
        )
    return wanted


def _probe(bench: Bench) -> list[EvalUnit]:
    task = cast(ProbeTask, bench.task)
    units = []
    for language in languages_of(task, bench.settings):
        key = bench.key(language, None)
        unit = find_unit(bench.run, key)
        if unit is None:
            bench.reporter.stage(f"{task.info.name} {language} on {bench.run.name}")
            began = time.perf_counter()
            found = task.probe(bench.encoder, language)
            scores = [task.score(found[example.id], example) for example in task.examples(language)]
            unit = _write(bench, key, language, None, scores, found, began)
        units.append(unit)
    return units


def _transfer(bench: Bench) -> list[EvalUnit]:
    task = cast(TransferTask, bench.task)
    languages = languages_of(task, bench.settings)
    units: list[EvalUnit] = []
    brought = bench.encoder.carried_head(task.head_kind)
    carried = None if brought is None else task.carried(brought)
    seeds: Iterable[int | None] = [None] if carried is not None else bench.settings.eval.seeds
    for seed in seeds:
        keys = {language: bench.key(language, seed) for language in languages}
        known = {language: find_unit(bench.run, key) for language, key in keys.items()}
        if None not in known.values():
            units += [unit for unit in known.values() if unit is not None]
            continue
        if seed is None:
            assert carried is not None
            predict = predictor(task, bench.encoder, carried, carried)
        else:
            predict = _fitted(bench, task, seed)
        for language in languages:
            unit = known[language]
            if unit is None:
                unit = _predicted(bench, task, predict, language, keys[language], seed)
            units.append(unit)
        shutil.rmtree(_head_folder(bench, seed), ignore_errors=True)
    return units


def _predicted(
    bench: Bench, task: TransferTask, predict: Predictor, language: str, key: str, seed: int | None
) -> EvalUnit:
    bench.reporter.stage(f"{task.info.name} {language} on {bench.run.name}, head seed {seed}")
    began = time.perf_counter()
    examples = task.examples(language)
    predictions = predict(examples)
    scores = [task.score(predictions[example.id], example) for example in examples]
    return _write(bench, key, language, seed, scores, predictions, began)


def _head_folder(bench: Bench, seed: int | None) -> Path:
    key = content_key(
        model=bench.model_digest,
        encoder=bench.encoder_options,
        autocast=str(bench.autocast),
        training=bench.training(seed),
        options=bench.options,
        head_seed=seed,
    )
    return bench.run.path / "eval" / bench.task.info.name / f".head-{key[:12]}"


def _fitted(bench: Bench, task: TransferTask, seed: int) -> Predictor:
    """A head fitted on the source language, from a fresh copy of the run's encoder; a killed fit goes on."""
    label = f"{task.info.name} head, seed {seed}, on {bench.run.name}"
    bench.reporter.stage(f"fitting the {label}")
    encoder = copy.deepcopy(bench.encoder)
    total = 0

    def started(start: int, last: int) -> None:
        nonlocal total
        total = last

    def step_finished(row: dict[str, float]) -> None:
        bench.reporter.progress(label, int(row["step"]), total, row)

    hooks = FitHooks(
        started,
        step_finished,
        lambda path: None,
        bench.reporter.notice,
        lambda: bench.signals.requested,
    )
    predict, development = train_head(
        task,
        encoder,
        seed,
        _head_folder(bench, seed),
        hooks,
        bench.autocast,
        task.options,
        bench.signals,
    )
    kinds = Counter(problem.kind for problem in task.problems())
    for kind, count in kinds.items():
        bench.reporter.notice(f"{task.info.name}: {count:,} refused in its files ({kind})")
    predictions = predict(development)
    numbers = _metrics(
        task, [task.score(predictions[example.id], example) for example in development]
    )
    found = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
    bench.reporter.stage(f"{label}: {found} on {len(development)} development examples")
    return predict


def _floors(bench: Bench) -> list[EvalUnit]:
    task = cast(TransferTask, bench.task)
    units = []
    for language in languages_of(task, bench.settings):
        scores: dict[str, list[Score]] | None = None
        for name in task.floor_names:
            key = bench.key(language, None, name)
            unit = find_unit(bench.run, key)
            if unit is None:
                began = time.perf_counter()
                scores = scores or task.floors(language)
                unit = _write(bench, key, language, None, scores[name], None, began, floor=name)
            units.append(unit)
    return units


def _write(
    bench: Bench,
    key: str,
    language: str,
    seed: int | None,
    scores: Sequence[Score],
    predictions: dict[str, Any] | None,
    began: float,
    floor: str | None = None,
) -> EvalUnit:
    task = bench.task
    for line in [] if floor else task.notes(language, scores):
        bench.reporter.notice(f"{task.info.name} {language}: {line}")
    unit = EvalUnit(
        task=task.info.name,
        task_version=task.info.version,
        language=language,
        metrics=_metrics(task, scores),
        alignment_seed=bench.run.record.get("alignment_seed"),
        head_seed=seed,
        key=key,
        data_digest=task.fingerprint(language),
        model_digest=bench.model_digest,
        training_digest=None if floor else bench.training(seed),
        count=len(scores),
        floor=floor,
        options=bench.options,
        contamination=_contamination(bench, language),
        seconds=time.perf_counter() - began,
        versions=versions(),
        data=_data_name(bench),
        precision=None if floor else precision_name(bench.autocast),
        encoder_options={} if floor else bench.encoder_options,
    )
    return read_unit(write_unit(bench.run, unit, scores, predictions))


def _data_name(bench: Bench) -> str | None:
    """The folder that the task's data came from, by its last name; None without one."""
    folder = getattr(bench.task.options, "data", None)
    return None if folder is None else Path(folder).resolve().name


def _metrics(task: Task, scores: Sequence[Score]) -> dict[str, float]:
    names = {name for score in scores for name in score.statistics}
    sums = {name: sum(score.statistics[name] for score in scores) for name in names}
    return {metric.name: float(metric.compute(sums)) for metric in task.info.metrics}


def _contamination(bench: Bench, language: str) -> dict[str, int]:
    """How many of the tested sentences occur, normalised, in the run's bitext."""
    texts = bench.task.sentences(language)
    if bench.run.record["kind"] != "align":
        return {"hits": 0, "size": len(texts)}
    path = bench.run.path / HASHES
    if not path.exists():
        raise DataError(
            f"{path} is gone, so what the bitext shares with {bench.task.info.name} cannot be counted",
            "align again",
        )
    return {"hits": count_hits(texts, np.load(path)), "size": len(texts)}
