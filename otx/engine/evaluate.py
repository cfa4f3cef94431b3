"""`otx eval`: run folder -> encoder -> task -> score per example -> run folder; each unit is written when done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from otx.config import Settings
from otx.contracts import Encoder, Task
from otx.engine.bench import Bench
from otx.engine.prepare import open_encoder, plain_options
from otx.engine.report import Reporter
from otx.engine.runtime import StopSignals, choose_autocast, open_device, warn_of_slow_bf16
from otx.engine.targets import Target
from otx.errors import UsageError
from otx.plugins import PluginHost
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit

POLL_SECONDS = 1.0


def evaluate(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    tasks: Sequence[str],
    targets: Sequence[Target],
) -> list[tuple[RunFolder, EvalUnit]]:
    """Evaluate every task on every target; units with a known content key are read, not computed.

    Several processes may be at it: what another one has begun is waited for when there is nothing else left to do, and
    taken over should it end without a result. Raises Interrupted (exit 5) after a signal: finished units are kept, and
    the same command goes on with the rest.
    """
    entries = [host.registry.find("task", name) for name in tasks]
    options = [settings.options_for(entry) for entry in entries]
    made: list[Task] = [entry.make(option) for entry, option in zip(entries, options, strict=True)]
    _refuse_unknown(made, settings)
    warn_of_slow_bf16(settings.align.dtype, open_device(settings.align.device), reporter)
    found: dict[int, list[tuple[RunFolder, EvalUnit]]] = {}
    with StopSignals("finished units are kept; the same command goes on") as signals:
        left = list(range(len(targets)))
        while left:
            waiting: dict[int, tuple[RunFolder, dict[str, str]]] = {}
            for number in left:
                run, units, others = _evaluated(
                    targets[number], made, host, settings, reporter, signals
                )
                found[number] = [(run, unit) for unit in units]
                if others:
                    waiting[number] = run, others
            left = list(waiting)
            _wait(list(waiting.values()), reporter)
    return [item for number in range(len(targets)) for item in found[number]]


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
    target: Target,
    tasks: Sequence[Task],
    host: PluginHost,
    settings: Settings,
    reporter: Reporter,
    signals: StopSignals,
) -> tuple[RunFolder, list[EvalUnit], dict[str, str]]:
    """Return the folder, its units, and the work that other processes hold (claim -> pid): those units are missing."""
    name, reference = target.reference(host)
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
    run = target.folder(Path(settings.runs.folder), digest)
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
    return run, units, others


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
