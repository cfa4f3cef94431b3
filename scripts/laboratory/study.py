"""A study: systems, seeds and tasks from a TOML file, and the cells that they make, in order of priority."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli

from otx.config.migration import migrate_key, migrate_tables
from otx.did_you_mean import remedy
from otx.errors import UsageError
from otx.plugin_host.registry import Registry

MATERIAL = "{material}"
"""In a text setting, the folder of the study's data."""


@dataclass(frozen=True, slots=True)
class Bitext:
    """How pairs of sentences are drawn from a data folder, each English sentence once.

    languages: languages to draw, each with the largest number of words of an English sentence.
    pairs: pairs of each language, at most.
    sources: folders ``bitext/SOURCE`` that are mixed; those without the language are left out.
    """

    languages: dict[str, int]
    pairs: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Training:
    """How a task's training file is drawn: ``count`` examples of ``files`` go into ``output``.

    kind: ``nli`` (tab-separated, groups are premises) or ``squad`` (JSON, groups are paragraphs).
    """

    kind: str
    files: tuple[str, ...]
    count: int
    output: str


@dataclass(frozen=True, slots=True)
class System:
    """One line of the comparison.

    seconds: predicted seconds of the alignment.
    set: settings by dotted key, over the study's and the recipe's.
    recipe: name of the recipe that the alignment begins with.
    wrong: share of pairs that get another sentence's translation (a control).
    align: False for the encoder as it came.
    tasks: names of the tasks that it is evaluated on; empty for all.
    """

    seconds: float = 0.0
    set: dict[str, Any] = field(default_factory=dict)
    recipe: str | None = None
    wrong: float | None = None
    align: bool = True
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One task as the study runs it.

    task: name of the otx task; the same task may be there twice with other data.
    seconds: predicted seconds of the task.
    languages: languages or gold sets; empty for all that there are.
    data: folder of the task's files inside the study's data; none = the task's embedded data.
    copy: files that are taken over, as patterns inside the data folder, with or without ``.gz``.
    options: the task's options by name.
    train: how the training file is drawn.
    pairs: how pairs are drawn into ``data``, for a task on translations.
    """

    task: str
    seconds: float
    languages: tuple[str, ...] = ()
    data: str | None = None
    copy: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    train: Training | None = None
    pairs: Bitext | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One system aligned with one seed and evaluated on ``tasks``; ``seconds`` is the prediction on a GPU."""

    system: str
    seed: int
    tier: int
    tasks: tuple[str, ...]
    seconds: float

    @property
    def name(self) -> str:
        """``SYSTEM-sSEED``, the stem of the cell's file."""
        return f"{self.system}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class Study:
    """What a study file says.

    model: what ``otx align --model`` takes.
    results: folder of the cells' results, from the study file.
    settings: tables of otx.toml for every cell; ``{material}`` stands for the study's data.
    copy: files for the alignments themselves, such as gold links of the diagnostics.
    pace: by device, how many times longer than predicted a cell takes there.
    """

    name: str
    model: str
    results: Path
    systems: Mapping[str, System]
    tasks: Mapping[str, Evaluation]
    cells: tuple[Cell, ...]
    bitext: Bitext | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    copy: tuple[str, ...] = ()
    pace: Mapping[str, float] = field(default_factory=dict)


def read_study(path: Path, registry: Registry) -> Study:
    """Read a study file; ``registry`` knows which tasks fit a head.

    Raises:
        UsageError: If the file cannot be read, or a key or a name in it is unknown.
    """
    try:
        table = tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "correct the study file") from error
    systems = {
        name: _filled(System, _renamed(own), f"{path} [systems.{name}]")
        for name, own in table.pop("systems", {}).items()
    }
    tasks = {
        name: _evaluation(own, f"{path} [tasks.{name}]")
        for name, own in table.pop("tasks", {}).items()
    }
    for name, system in systems.items():
        for task in system.tasks:
            if task not in tasks:
                raise UsageError(
                    f"{path} [systems.{name}]: no task '{task}'", remedy(task, set(tasks))
                )
    fitted = {name for name, own in tasks.items() if _is_fitted(own, registry)}
    bitext = table.pop("bitext", None)
    table |= {
        "settings": migrate_tables(table.get("settings", {})),
        "systems": systems,
        "tasks": tasks,
        "bitext": None if bitext is None else _filled(Bitext, bitext, f"{path} [bitext]"),
        "cells": tuple(_cells(table.pop("tiers", []), systems, tasks, fitted, path)),
        "results": (path.parent / str(table.get("results", "."))).resolve(),
    }
    study: Study = _filled(Study, table, str(path))
    return study


def _renamed(system: Mapping[str, Any]) -> dict[str, Any]:
    """Return a system's table with the present names of the settings."""
    given = system.get("set", {})
    return {**system, "set": {migrate_key(dotted): value for dotted, value in given.items()}}


def _evaluation(table: Mapping[str, Any], where: str) -> Evaluation:
    drawn = {
        name: _filled(kind, table[name], f"{where} {name}")
        for name, kind in (("train", Training), ("pairs", Bitext))
        if name in table
    }
    made: Evaluation = _filled(Evaluation, {**table, **drawn}, where)
    if made.pairs is not None and made.data is None:
        raise UsageError(f"{where}: 'data' is missing", "name the folder that pairs are drawn into")
    return made


def _is_fitted(evaluation: Evaluation, registry: Registry) -> bool:
    info = registry.find("task", evaluation.task).info
    return info is not None and info.kind == "transfer"


def _cells(
    tiers: Iterable[Mapping[str, Any]],
    systems: Mapping[str, System],
    tasks: Mapping[str, Evaluation],
    fitted: set[str],
    path: Path,
) -> Iterator[Cell]:
    """Yield the cells tier by tier, within a tier seed by seed: one seed of every system comes first."""
    given: set[tuple[str, int]] = set()
    first_seeds: dict[str, int] = {}
    for tier in tiers:
        missing = {"tier", "seeds", "systems"} - set(tier)
        if missing:
            raise UsageError(f"{path}: a tier lacks {', '.join(sorted(missing))}", "add it")
        for seed in tier["seeds"]:
            for name in tier["systems"]:
                if name not in systems:
                    raise UsageError(
                        f"{path}: tier {tier['tier']} names system '{name}'", remedy(name, systems)
                    )
                if (name, seed) in given:
                    continue
                given.add((name, seed))
                system = systems[name]
                # A probe of the encoder as it came gives the same number for every seed.
                is_first = first_seeds.setdefault(name, seed) == seed
                asked = [task for task in tasks if task in (system.tasks or tasks)]
                own = [t for t in asked if system.align or is_first or t in fitted]
                seconds = system.seconds + sum(tasks[task].seconds for task in own)
                yield Cell(name, seed, tier["tier"], tuple(own), seconds)


def _filled(kind: type[Any], table: Mapping[str, Any], where: str) -> Any:
    """Make a dataclass from a TOML table. Raises UsageError for an unknown or a missing key."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'", remedy(key, known))
    nothing = dataclasses.MISSING
    for key, item in known.items():
        if key not in table and item.default is nothing and item.default_factory is nothing:
            raise UsageError(f"{where}: '{key}' is missing", "add it; see docs/laboratory.md")
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return kind(**{**table, **lists})
