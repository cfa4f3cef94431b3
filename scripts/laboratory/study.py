"""A study: systems, seeds and tasks from a TOML file, and the cells that follow from them, in order of priority."""

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
"""Placeholder of the folder of the study's data in a setting."""


@dataclass(frozen=True, slots=True)
class Bitext:
    """A drawing of sentence pairs from a data folder, each English sentence once.

    Attributes:
        languages: Languages to draw, each with the maximum number of words of an English sentence.
        pairs: Maximum number of pairs per language.
        sources: Folders ``bitext/SOURCE`` that are mixed; a source without the language is left out.
    """

    languages: dict[str, int]
    pairs: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Training:
    """A drawing of a task's training file.

    Attributes:
        kind: ``nli`` (tab-separated, groups are premises) or ``squad`` (JSON, groups are paragraphs).
        files: Files to draw from.
        count: Number of examples to draw.
        output: File to write.
    """

    kind: str
    files: tuple[str, ...]
    count: int
    output: str


@dataclass(frozen=True, slots=True)
class System:
    """One row of the comparison.

    Attributes:
        seconds: Predicted seconds of the alignment.
        set: Settings by dotted key, which override the study's and the recipe's.
        recipe: Name of the recipe of the alignment.
        wrong: Share of pairs that get another sentence's translation (a control).
        align: False for the untouched encoder.
        tasks: Names of the tasks that it is evaluated on; empty for all.
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

    Attributes:
        task: Name of the otx task; a study may contain the same task twice with different data.
        seconds: Predicted seconds of the task.
        languages: Languages or gold sets; empty for all.
        data: Folder of the task's files inside the study's data; None for the task's embedded data.
        copy: Files to copy, as patterns inside the data folder, with or without ``.gz``.
        options: The task's options by name.
        train: Drawing of the training file.
        pairs: Drawing of pairs into ``data``, for a task on translations.
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
    """One system, aligned with one seed and evaluated.

    Attributes:
        system: Name of the system.
        seed: Seed of the alignment and of the heads.
        tier: Priority; 1 is computed first.
        tasks: Names of the tasks.
        seconds: Predicted seconds on a GPU.
    """

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
    """The content of a study file.

    Attributes:
        name: Name of the study.
        model: Encoder, as ``otx align --model`` takes it.
        results: Folder of the results, relative to the study file.
        systems: Systems by name.
        tasks: Tasks by name.
        cells: The cells in order of priority.
        bitext: Drawing of the training pairs; None uses ``data.corpus`` of the settings.
        settings: Tables of otx.toml for every cell; ``{material}`` is replaced by the folder of the study's data.
        copy: Files for the alignments, such as gold links of the diagnostics.
        pace: Factor of the predicted seconds by device.
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
    """Read a study file, with old or present names of settings.

    Args:
        path: The file.
        registry: The registered plugins, which know the tasks that fit a head.

    Returns:
        The study, under the present names.

    Raises:
        UsageError: If the file cannot be read, or a key or a name in it is unknown.
    """
    try:
        table = tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "correct the study file") from error
    systems = {
        name: _filled(System, _renamed(system), f"{path} [systems.{name}]")
        for name, system in table.pop("systems", {}).items()
    }
    tasks = {
        name: _evaluation(task, f"{path} [tasks.{name}]")
        for name, task in table.pop("tasks", {}).items()
    }
    for name, system in systems.items():
        for task in system.tasks:
            if task not in tasks:
                raise UsageError(
                    f"{path} [systems.{name}]: no task '{task}'", remedy(task, set(tasks))
                )
    fitted = {name for name, task in tasks.items() if _is_fitted(task, registry)}
    bitext = table.pop("bitext", None)
    table |= {
        "settings": migrate_tables(table.get("settings", {})),
        "systems": systems,
        "tasks": tasks,
        "bitext": None if bitext is None else _filled(Bitext, bitext, f"{path} [bitext]"),
        "cells": tuple(_cells(table.pop("tiers", []), systems, tasks, fitted=fitted, path=path)),
        "results": (path.parent / str(table.get("results", "."))).resolve(),
    }
    study: Study = _filled(Study, table, str(path))
    return study


def _renamed(system: Mapping[str, Any]) -> dict[str, Any]:
    """Return a system's table with the present names of the settings."""
    given = system.get("set", {})
    return {**system, "set": {migrate_key(dotted): value for dotted, value in given.items()}}


def _evaluation(table: Mapping[str, Any], place: str) -> Evaluation:
    drawn = {
        name: _filled(kind, table[name], f"{place} {name}")
        for name, kind in (("train", Training), ("pairs", Bitext))
        if name in table
    }
    evaluation: Evaluation = _filled(Evaluation, {**table, **drawn}, place)
    if evaluation.pairs is not None and evaluation.data is None:
        raise UsageError(f"{place}: 'data' is missing", "name the folder that pairs are drawn into")
    return evaluation


def _is_fitted(evaluation: Evaluation, registry: Registry) -> bool:
    info = registry.find("task", evaluation.task).info
    return info is not None and info.kind == "transfer"


def _cells(
    tiers: Iterable[Mapping[str, Any]],
    systems: Mapping[str, System],
    tasks: Mapping[str, Evaluation],
    *,
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
                # A probe of the untouched encoder gives the same number for every seed.
                is_first = first_seeds.setdefault(name, seed) == seed
                asked = [task for task in tasks if task in (system.tasks or tasks)]
                run = [t for t in asked if system.align or is_first or t in fitted]
                seconds = system.seconds + sum(tasks[task].seconds for task in run)
                yield Cell(name, seed, tier["tier"], tuple(run), seconds)


def _filled(kind: type[Any], table: Mapping[str, Any], place: str) -> Any:
    """Build a dataclass from a TOML table. Raises UsageError for an unknown or a missing key."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    for key in table:
        if key not in known:
            raise UsageError(f"{place}: unknown key '{key}'", remedy(key, known))
    missing = dataclasses.MISSING
    for key, item in known.items():
        if key not in table and item.default is missing and item.default_factory is missing:
            raise UsageError(f"{place}: '{key}' is missing", "add it; see docs/laboratory.md")
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return kind(**{**table, **lists})
