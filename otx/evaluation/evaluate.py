"""Evaluate encoders on tasks: encoder -> task -> score per example -> run folder; each unit is written when done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otx.alignment.bitext_hashes import recorded_hashes
from otx.errors import DataError, UsageError
from otx.evaluation.faults import Faults
from otx.evaluation.open_encoder import open_target
from otx.evaluation.open_tasks import OpenTask, open_tasks
from otx.evaluation.targets import Target
from otx.evaluation.task_runner import TaskRunner
from otx.evaluation.unit_store import UnitStore
from otx.interfaces import Task
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit
from otx.training.components import plugin_versions
from otx.training.observers import Observers
from otx.training.runtime import StopSignals, open_device, warn_of_slow_bf16
from otx.training.session import Session

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The result of an evaluation.

    Attributes:
        units: The units that could be evaluated, each with its run.
        faults: The faults in the data of the others, each once.
    """

    units: list[tuple[RunFolder, EvalUnit]]
    faults: list[DataError] = field(default_factory=list)


def evaluate(
    session: Session, tasks: Sequence[str | OpenTask], targets: Sequence[Target]
) -> Evaluated:
    """Evaluate every task on every target; known units are read, not computed.

    A task or test set whose files cannot be used does not end the others: its fault is reported when it is found, and
    returned. Several processes may evaluate the same targets: units that another process is computing are awaited when
    nothing else is left to do, and computed here if that process ends without a result.

    Args:
        session: Settings, plugins and reporter.
        tasks: Names of tasks and suites, or tasks that ``open_tasks`` returned.
        targets: The encoders, as ``targets_of`` returns them.

    Returns:
        The units and the faults.

    Raises:
        UsageError: For an unknown task or language.
        DataError: If an encoder cannot be read, or no task of the suites has its files.
        Interrupted: After a signal. Finished units are kept; the same call resumes.
    """
    faults = Faults(session.reporter)
    ready = [one for one in _opened(session, tasks) if faults.has_data(one.task)]
    if not ready:
        return Evaluated([], faults.errors)
    settings = session.settings
    _refuse_unknown([one.task for one in ready], settings.eval.languages)
    device = open_device(settings.runtime.device)
    warn_of_slow_bf16(settings.runtime.dtype, device, session.reporter)
    units: dict[int, list[tuple[RunFolder, EvalUnit]]] = {}
    with StopSignals("finished units are kept; run the same command again to resume") as signals:
        left = list(range(len(targets)))
        while left:
            waiting: dict[int, UnitStore] = {}
            for number in left:
                store, computed = _evaluate_target(session, targets[number], ready, signals, faults)
                units[number] = [(store.run, unit) for unit in computed]
                if store.held_elsewhere:
                    waiting[number] = store
            left = list(waiting)
            _wait(list(waiting.values()), session.reporter)
    everything = [item for number in range(len(targets)) for item in units[number]]
    return Evaluated(everything, faults.errors)


def _opened(session: Session, tasks: Sequence[str | OpenTask]) -> list[OpenTask]:
    names = [task for task in tasks if isinstance(task, str)]
    opened = [task for task in tasks if isinstance(task, OpenTask)]
    return [*opened, *open_tasks(session, names)]


def _refuse_unknown(tasks: Sequence[Task], languages: Sequence[str]) -> None:
    """Raise UsageError for a language that none of the tasks has."""
    available = {task.info.name: task.languages() for task in tasks}
    known = {language for names in available.values() for language in names}
    missing = [language for language in languages if language not in known]
    if missing:
        alone = len(available) == 1
        raise UsageError(
            f"{' and '.join(available)} {'has' if alone else 'have'} no data for {', '.join(missing)}",
            f"available languages: {', '.join(sorted(known))}",
        )


def _evaluate_target(
    session: Session,
    target: Target,
    tasks: Sequence[OpenTask],
    signals: StopSignals,
    faults: Faults,
) -> tuple[UnitStore, list[EvalUnit]]:
    """Return the units of a target and their store, which names the work that other processes hold."""
    model = open_target(session, target)
    run = target.folder(Path(session.settings.runs.folder), model.identity.digest)
    hashes = None
    if run.record["kind"] == "align":
        hashes = recorded_hashes(run, session.registry, session.reporter)
    store = UnitStore(run, _announcer(session, run, signals))
    units: list[EvalUnit] = []
    for one in tasks:
        runner = TaskRunner(
            session,
            one.task,
            model=model,
            store=store,
            signals=signals,
            faults=faults,
            hashes=hashes,
            plugins=plugin_versions([one.entry, model.entry], session.host),
        )
        try:
            for unit in runner.units():
                units.append(unit)
        except DataError as error:
            faults.add(error)
    return store, units


def _announcer(
    session: Session, run: RunFolder, signals: StopSignals
) -> Callable[[EvalUnit], None]:
    """Return a function that notifies observers of a unit; a failure is recorded, and reported once."""
    observers, reported = Observers(session.host, run), set[str]()

    def announce(unit: EvalUnit) -> None:
        for line in observers.unit_finished(unit):
            if line not in reported:
                reported.add(line)
                session.reporter.notice(line)
        if signals.requested:
            # A signal during an observer's call counts as its failure; the work stops here.
            raise KeyboardInterrupt

    return announce


def _wait(waiting: Sequence[UnitStore], reporter: Reporter) -> None:
    """Wait until another process releases a claim."""
    for store in waiting:
        pids = ", ".join(sorted(set(store.held_elsewhere.values())))
        reporter.stage(f"Waiting for process {pids}, which is evaluating {store.run.name}")
    while waiting:
        for store in waiting:
            for work in store.held_elsewhere:
                with store.run.claim(work) as holder:
                    if holder is None:
                        return
        time.sleep(POLL_SECONDS)
