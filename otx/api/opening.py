"""Open what the arguments of the Python API name: a session, runs, and objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from otx.api.run import Run
from otx.config.settings import Settings, load_settings, overlaid, settings_from
from otx.errors import UsageError
from otx.plugin_host.attribution import attributed_metrics
from otx.plugin_host.host import host
from otx.plugin_host.instances import register_instance
from otx.plugin_host.registry import Registry
from otx.reporter import Reporter, Silent
from otx.runs.folder import RunFolder
from otx.runs.names import run_names
from otx.runs.record import RECORD
from otx.runs.results import evaluated_tasks
from otx.training.session import Session
from otx.types import TaskInfo

if TYPE_CHECKING:
    from otx.interfaces import Objective

RunLike: TypeAlias = "Run | str | Path"
ObjectiveTerm: TypeAlias = "str | Objective | tuple[float, Objective]"
ObjectiveTerms: TypeAlias = "ObjectiveTerm | Sequence[ObjectiveTerm]"


def open_session(
    arguments: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    recipe: str | None = None,
    reporter: Reporter | None = None,
) -> Session:
    """Open the session that a call's arguments describe.

    Args:
        arguments: Values by dotted key; None stands for an argument that was not given. Under ``align.objective`` they
            may be objective instances, which are registered for this session.
        settings: Further values by dotted key, as a user gave them.
        recipe: Name of a recipe, below both.
        reporter: Receives progress; silent by default.

    Returns:
        Settings of the nearest otx.toml, the recipe and the arguments, with the plugins loaded.

    Raises:
        UsageError: If a key, a table, a recipe or an objective is unknown, or an argument contradicts ``settings``.
    """
    values = {key: _plain(value) for key, value in (arguments or {}).items() if value is not None}
    further = {key: _plain(value) for key, value in (settings or {}).items()}
    for key in values.keys() & further.keys():
        raise UsageError(f"'{key}' is given twice: as an argument and in settings", "give it once")
    values |= further
    terms = values.pop("align.objective", None)
    base = load_settings()
    plugins = host(base)
    registry = plugins.registry
    if terms is not None:
        values["align.objective"] = _named_terms(terms, registry)
    path = None if recipe is None else registry.find("recipe", recipe).path
    effective = overlaid(base, recipe=path, arguments=values)
    plugins.check_tables(effective.option_tables)
    plugins.check_names(effective.align.objective, effective.option_tables)
    session = Session(effective, plugins, reporter or Silent())
    _report_failures(session)
    return session


def run_or_reference(value: RunLike, settings: Settings) -> RunFolder | str:
    """Open a run, or return a model reference as text; a text that names both means the run.

    Args:
        value: A Run, its folder or its name; anything else is a model reference.
        settings: The settings, which name the folder of runs.

    Raises:
        DataError: If the record of the run is damaged.
    """
    if isinstance(value, Path):
        is_run = (value / RECORD).exists()
    else:
        is_run = isinstance(value, Run) or value in run_names(Path(settings.runs.folder))
    return run_folder(value, settings) if is_run else str(value)


def run_folder(value: RunLike, settings: Settings) -> RunFolder:
    """Open a run by its name, its path, or the Run itself.

    Args:
        value: The run.
        settings: The settings, which name the folder of runs.

    Raises:
        UsageError: If there is no such run, with the nearest name.
        DataError: If its record is damaged.
    """
    if isinstance(value, Run):
        return value.folder
    if isinstance(value, Path):
        return RunFolder.open(value.parent, value.name)
    return RunFolder.open(Path(settings.runs.folder), value)


def _report_failures(session: Session) -> None:
    for record in session.host.failed:
        session.reporter.notice(
            f"plugin {record.name} ({record.distribution}) failed: {record.error}; see otx doctor"
        )


def _named_terms(terms: Any, registry: Registry) -> list[str]:
    """Return the terms as text, with every instance registered under a name."""
    several = terms if isinstance(terms, list) else [terms]
    texts = []
    for term in several:
        weight, objective = term if isinstance(term, tuple) else (None, term)
        if isinstance(objective, str):
            name = objective
        elif callable(objective):
            name = register_instance(registry, objective)
        else:
            raise UsageError(
                f"objective: {type(objective).__name__} is neither a name nor an objective",
                'write "sinkhorn", "0.5*tlm", an instance, or (0.5, instance)',
            )
        texts.append(name if weight is None else f"{weight}*{name}")
    return texts


def _plain(value: Any) -> Any:
    """Return a value as otx.toml could hold it; objective instances and their tuples stay."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple) and not _is_weighted(value):
        return [_plain(item) for item in value]
    return value


def _is_weighted(value: Sequence[Any]) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], int | float)


def resumed_settings(folder: RunFolder, device: str | None = None) -> Settings:
    """Return the settings that an interrupted run began with.

    Args:
        folder: The run.
        device: Device to use instead of the one that the run began with.

    Raises:
        UsageError: If the run is finished.
    """
    if folder.record["status"] == "finished":
        raise UsageError(
            f"run {folder.name} is finished",
            f"evaluate it: otx eval retrieval --run {folder.name}",
        )
    tables = {**folder.record["settings"], "runs": {"folder": str(folder.path.parent)}}
    if device is not None:
        tables["runtime"] = {**tables["runtime"], "device": device}
    return settings_from(tables, f"run {folder.name}")


def open_resumed(
    resume: RunLike, terms: Any, *, reporter: Reporter | None = None
) -> tuple[Session, RunFolder]:
    """Open an interrupted run with the settings that it began with.

    Args:
        resume: The run.
        terms: The objectives again, for a run that was aligned with instances; otherwise None.
        reporter: Receives progress; silent by default.

    Returns:
        A session with the run's settings, and its folder.

    Raises:
        UsageError: If the run is finished, or ``terms`` are not those that it began with.
    """
    folder = run_folder(resume, load_settings())
    settings = resumed_settings(folder)
    plugins = host(settings)
    if terms is not None:
        names = _named_terms(_plain(terms), plugins.registry)
        if names != list(settings.align.objective):
            raise UsageError(
                f"run {folder.name} began with the objectives {', '.join(settings.align.objective)}, "
                f"not {', '.join(names)}",
                "give the same objectives, or leave them out",
            )
    session = Session(settings, plugins, reporter or Silent())
    _report_failures(session)
    return session, folder


def several(value: RunLike | Sequence[RunLike]) -> list[RunLike]:
    """Return one or several runs as a list.

    Args:
        value: A run or a sequence of runs.
    """
    if isinstance(value, Run | str | Path):
        return [value]
    return list(value)


def task_infos(registry: Registry, folders: Sequence[RunFolder]) -> dict[str, TaskInfo]:
    """Return the information of every registered task, by name.

    Args:
        registry: The registered tasks.
        folders: Runs whose results are compared.

    Raises:
        UsageError: If two distributions register a task that the runs have results of.
    """
    entries = {entry.name: entry for entry in registry.entries("task")}
    for name in {name for folder in folders for name in evaluated_tasks(folder)} & set(entries):
        entries[name] = registry.find("task", name)
    return {
        name: attributed_metrics(entry.owner, entry.info)
        for name, entry in entries.items()
        if entry.info is not None
    }
