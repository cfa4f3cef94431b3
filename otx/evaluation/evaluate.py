"""`otx eval`: run folder -> encoder -> task -> score per example -> run folder; each unit is written when done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otx.alignment.bitext_hashes import recorded_hashes
from otx.config.roles import digested_options, keyed_options
from otx.config.settings import Settings
from otx.errors import DataError, UsageError
from otx.evaluation.faults import Faults
from otx.evaluation.targets import Target
from otx.evaluation.task_runner import TaskRunner
from otx.interfaces import Encoder, Task
from otx.plugin_host.host import PluginHost
from otx.plugin_host.registry import Entry
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit
from otx.training.components import plugin_versions
from otx.training.observers import Observers
from otx.training.runtime import StopSignals, choose_autocast, open_device, warn_of_slow_bf16

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The units that could be evaluated, and the faults of the data of those that could not, each once."""

    units: list[tuple[RunFolder, EvalUnit]]
    faults: list[DataError] = field(default_factory=list)


def evaluate(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    tasks: Sequence[str],
    targets: Sequence[Target],
) -> Evaluated:
    """Evaluate every task on every target; units with a known content key are read, not computed.

    A task or a test set whose files cannot be used does not end the others: its fault is reported when it is found, and
    returned.

    Several processes may be at it: what another one has begun is waited for when there is nothing else left to do, and
    taken over should it end without a result. Raises Interrupted (exit 5) after a signal: finished units are kept, and
    the same command goes on with the rest.
    """
    entries = [host.registry.find("task", name) for name in tasks]
    options = [entry.read_options(settings) for entry in entries]
    faults = Faults(reporter)
    every = [(entry.make(option), entry) for entry, option in zip(entries, options, strict=True)]
    ready = [(task, entry) for task, entry in every if faults.has_data(task)]
    if not ready:
        return Evaluated([], faults.errors)
    _refuse_unknown([task for task, _ in ready], settings)
    warn_of_slow_bf16(settings.runtime.dtype, open_device(settings.runtime.device), reporter)
    found: dict[int, list[tuple[RunFolder, EvalUnit]]] = {}
    with StopSignals("finished units are kept; the same command goes on") as signals:
        left = list(range(len(targets)))
        while left:
            waiting: dict[int, tuple[RunFolder, dict[str, str]]] = {}
            for number in left:
                run, units, others = _evaluated(
                    targets[number], ready, host, settings, reporter, signals, faults
                )
                found[number] = [(run, unit) for unit in units]
                if others:
                    waiting[number] = run, others
            left = list(waiting)
            _wait(list(waiting.values()), reporter)
    everything = [item for number in range(len(targets)) for item in found[number]]
    return Evaluated(everything, faults.errors)


def _refuse_unknown(tasks: Sequence[Task], settings: Settings) -> None:
    """Raise UsageError for a language that none of the tasks has."""
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
    tasks: Sequence[tuple[Task, Entry]],
    host: PluginHost,
    settings: Settings,
    reporter: Reporter,
    signals: StopSignals,
    faults: Faults,
) -> tuple[RunFolder, list[EvalUnit], dict[str, str]]:
    """Return the folder, its units, and the work that other processes hold (claim -> pid): those units are missing."""
    encoder_entry, reference = target.reference(host)
    options = encoder_entry.read_options(settings)
    device = open_device(settings.runtime.device)

    def reopen(folder: Path | str) -> Encoder:
        encoder: Encoder = encoder_entry.make(str(folder), options)
        encoder.module.to(device).eval()
        return encoder

    encoder = reopen(reference)
    for note in encoder.notes:
        reporter.notice(str(note))
    digest, autocast = encoder.digest(), choose_autocast(settings.runtime.dtype, device)
    run = target.folder(Path(settings.runs.folder), digest)
    hashes = None
    if run.record["kind"] == "align":
        hashes = recorded_hashes(run, host.registry, reporter)
    units: list[EvalUnit] = []
    others: dict[str, str] = {}
    tell = _unit_teller(host, run, reporter, signals)
    for task, entry in tasks:
        bench = TaskRunner(
            task,
            keyed_options(task.options),
            run,
            encoder,
            digest,
            digested_options(options),
            autocast,
            settings,
            reporter,
            signals,
            others,
            reopen,
            plugin_versions([entry, encoder_entry], host),
            tell,
            faults,
            hashes,
        )
        try:
            for unit in bench.units():
                units.append(unit)
        except DataError as error:
            faults.add(error)
    return run, units, others


def _unit_teller(
    host: PluginHost, run: RunFolder, reporter: Reporter, signals: StopSignals
) -> Callable[[EvalUnit], None]:
    """Return what tells observers of a unit; a failure is recorded, and said once."""
    observers, known = Observers(host, run), set[str]()

    def tell(unit: EvalUnit) -> None:
        for line in observers.unit_finished(unit):
            if line not in known:
                known.add(line)
                reporter.notice(line)
        if signals.requested:
            # A signal that came within an observer counts as its failure there; the work stops here.
            raise KeyboardInterrupt

    return tell


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
