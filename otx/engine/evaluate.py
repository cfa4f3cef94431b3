"""`otx eval`: run folder -> encoder -> task -> score per example -> run folder; each unit is written when done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from otx.config import Settings
from otx.contracts import Encoder, Task
from otx.engine.bench import Bench
from otx.engine.prepare import open_encoder, plain_options, plugin_of
from otx.engine.report import Reporter
from otx.engine.runtime import StopSignals, choose_autocast, open_device, warn_of_slow_bf16
from otx.errors import DataError, UsageError
from otx.plugins import PluginHost
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit

POLL_SECONDS = 1.0


def evaluate(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    tasks: Sequence[str],
    targets: Sequence[RunFolder],
) -> list[tuple[RunFolder, EvalUnit]]:
    """Evaluate every task on every target; units with a known content key are read, not computed.

    Several processes may be at it: what another one has begun is waited for when there is nothing else left to do, and
    taken over should it end without a result. Raises Interrupted (exit 5) after a signal: finished units are kept, and
    the same command goes on with the rest.
    """
    entries = [host.registry.find("task", name) for name in tasks]
    options = [settings.options_for(entry) for entry in entries]
    made: list[Task] = [
        entry.load()(option) for entry, option in zip(entries, options, strict=True)
    ]
    _refuse_unknown(made, settings)
    warn_of_slow_bf16(settings.align.dtype, open_device(settings.align.device), reporter)
    found: dict[str, list[tuple[RunFolder, EvalUnit]]] = {}
    with StopSignals("finished units are kept; the same command goes on") as signals:
        left = list(targets)
        while left:
            waiting: list[tuple[RunFolder, dict[str, str]]] = []
            for run in left:
                units, others = _evaluated(run, made, host, settings, reporter, signals)
                found[run.name] = [(run, unit) for unit in units]
                if others:
                    waiting.append((run, others))
            left = [run for run, _ in waiting]
            _wait(waiting, reporter)
    return [item for run in targets for item in found[run.name]]


def _refuse_unknown(tasks: Sequence[Task], settings: Settings) -> None:
    """Raise UsageError for a language that none of the tasks has, and DataError if a task's files are not there."""
    there = {task.info.name: task.languages() for task in tasks}
    known = {language for own in there.values() for language in own}
    missing = [language for language in settings.eval.languages if language not in known]
    if missing:
        alone = len(there) == 1
        raise UsageError(
            f"{' and '.join(there)} {'has' if alone else 'have'} no data for {', '.join(missing)}",
            f"{'it has' if alone else 'they have'}: {', '.join(sorted(known))}",
        )


def _evaluated(
    run: RunFolder,
    tasks: Sequence[Task],
    host: PluginHost,
    settings: Settings,
    reporter: Reporter,
    signals: StopSignals,
) -> tuple[list[EvalUnit], dict[str, str]]:
    """A run's units, and the pieces of work that other processes hold (claim -> pid), whose units are missing."""
    name, reference = reference_of(run, host)
    encoder_options = plain_options(settings.options_for(host.registry.find("encoder", name)))
    device = open_device(settings.align.device)

    def reopen(folder: Path | str) -> Encoder:
        encoder = open_encoder(f"{name}:{folder}", host.registry, settings)
        encoder.module.to(device).eval()
        return encoder

    encoder = reopen(reference)
    for note in getattr(encoder, "notes", []):
        reporter.notice(str(note))
    digest, autocast = encoder.digest(), choose_autocast(settings.align.dtype, device)
    _refuse_another(run, digest)
    units: list[EvalUnit] = []
    others: dict[str, str] = {}
    for task in tasks:
        bench = Bench(
            task,
            plain_options(task.options),
            run,
            encoder,
            digest,
            encoder_options,
            autocast,
            settings,
            reporter,
            signals,
            others,
            reopen,
        )
        units += bench.units()
    return units, others


def _wait(waiting: Sequence[tuple[RunFolder, dict[str, str]]], reporter: Reporter) -> None:
    """Until one of the pieces is no longer held."""
    for run, others in waiting:
        pids = ", ".join(sorted(set(others.values())))
        reporter.stage(f"waiting for what pid {pids} has begun on {run.name}")
    while waiting:
        for run, others in waiting:
            for work in others:
                with run.claim(work) as holder:
                    if holder is None:
                        return
        time.sleep(POLL_SECONDS)


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


def reference_of(run: RunFolder, host: PluginHost) -> tuple[str, str]:
    """The encoder plugin that a run was aligned with, and what that plugin opens as the run's encoder."""
    name, reference = plugin_of(run.record["model"], host.registry)
    return name, str(run.model) if run.record["kind"] == "align" else reference


def _refuse_another(run: RunFolder, digest: str) -> None:
    """What stands for an encoder as it came must be that encoder; an alignment's own weights may have been changed."""
    if run.record["kind"] == "untouched" and digest != run.record["model_digest"]:
        raise DataError(
            f"{run.record['model']} is no longer the encoder whose results lie in {run.path}",
            "put it back, or evaluate what it is now: --model " + str(run.record["model"]),
        )
