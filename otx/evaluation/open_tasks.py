"""Open tasks by name once per command: suites, tasks without files, and the opened tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from otx.config.validation import field_types
from otx.errors import DataError, MissingDataError, UsageError
from otx.interfaces import Task, TransferTask
from otx.plugin_host.registry import Entry, Registry
from otx.training.session import Session


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that was created from the settings; what it read stays in memory.

    Attributes:
        task: The task.
        entry: Its registration.
    """

    task: Task
    entry: Entry


def expand_suites(names: Sequence[str], registry: Registry) -> list[str]:
    """Replace each suite by its tasks.

    Args:
        names: Names of tasks and suites.
        registry: The registered names.

    Returns:
        Names of tasks, each once; those of a suite in the suite's order. Another name stays as it is.
    """
    tasks: list[str] = []
    for name in names:
        places = {
            entry.name: entry.info.suites[name]
            for entry in registry.entries("task")
            if entry.info is not None and name in entry.info.suites
        }
        tasks += sorted(places, key=lambda task: places[task]) or [name]
    return list(dict.fromkeys(tasks))


def open_tasks(session: Session, names: Sequence[str]) -> list[OpenTask]:
    """Create tasks from the settings.

    Tasks of a suite that have no files are skipped with a notice. A task that is named itself is kept: without files,
    its evaluation is a fault.

    Args:
        session: The settings with the tasks' options, the plugins and the reporter.
        names: Names of tasks and suites.

    Returns:
        The tasks, in order.

    Raises:
        UsageError: For an unknown name or an invalid option.
        DataError: If no task of the suites has its files.
    """
    tasks: list[OpenTask] = []
    for entry in find_tasks(names, session.registry):
        task: Task = entry.make(entry.read_options(session.settings.option_tables))
        missing = None if entry.name in names else _missing_files(task)
        if missing is None:
            tasks.append(OpenTask(task, entry))
        else:
            session.reporter.notice(f"Skipped {entry.name}: {missing.message}")
    if names and not tasks:
        raise DataError(
            f"{', '.join(names)}: none of its tasks has its files", "give their folder with --data"
        )
    return tasks


def find_tasks(names: Sequence[str], registry: Registry) -> list[Entry]:
    """Return the registrations of tasks and of the tasks of suites.

    Args:
        names: Names of tasks and suites.
        registry: The registered names.

    Raises:
        UsageError: For an unknown name, with the nearest known one.
    """
    return [registry.find("task", name) for name in expand_suites(names, registry)]


def option_values(
    entries: Sequence[Entry], values: Mapping[str, Any], *, label: Callable[[str], str] = repr
) -> dict[str, Any]:
    """Return each value as the option of every task that has it.

    Args:
        entries: The tasks.
        values: Values by name of the option; None stands for one that was not given.
        label: Writes the name of an option in a message.

    Returns:
        Values by dotted key: ``xnli.train_limit``.

    Raises:
        UsageError: If no task has an option of that name.
    """
    options: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            continue
        having = [e for e in entries if e.options is not None and key in field_types(e.options)]
        if not having:
            names = " or ".join(entry.name for entry in entries)
            raise UsageError(
                f"{label(key)} is not an option of {names}",
                "leave it out; see otx list tasks --json",
            )
        options |= {f"{entry.name}.{key}": value for entry in having}
    return options


def _missing_files(task: Task) -> MissingDataError | None:
    """Return the error of a task without test or training files."""
    try:
        task.languages()
        if task.info.kind == "transfer":
            cast(TransferTask, task).training(1)
    except MissingDataError as error:
        return error
    except DataError:
        # A damaged file: the task is evaluated as far as possible, and its fault is reported.
        return None
    return None
