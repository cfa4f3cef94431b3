"""What is compared: results of the same task, with the same options, on the same data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.runs.folder import RunFolder
from otx.runs.grouping import System
from otx.runs.results import EvalUnit
from otx.runs.statistics import Seed
from otx.types import TaskInfo

Result = tuple[RunFolder, EvalUnit]
Variant = tuple[str, str, str | None, str | None, str]
"""(task version, digest of the data, of the training, precision, encoder options): equal in a column."""
DataNames = dict[tuple[str, str], str | None]
"""(language, digest of the data) -> what people call the data."""


@dataclass(slots=True)
class Match:
    """Results that may stand in one table.

    ``results``: system label -> language -> seed -> result. ``floors``: floor -> language -> unit.
    ``left_out``: how many results of other data, versions or training there were besides.
    """

    task: str
    data: str | None
    options: Mapping[str, Any]
    results: dict[str, dict[str, dict[Seed, Result]]] = field(default_factory=dict)
    floors: dict[str, dict[str, EvalUnit]] = field(default_factory=dict)
    left_out: int = 0

    @property
    def languages(self) -> list[str]:
        """Every language that some system has a result in."""
        return sorted({language for held in self.results.values() for language in held})


def matches(
    systems: Sequence[System],
    results: Mapping[str, Sequence[Result]],
    floors: Sequence[EvalUnit],
    task: TaskInfo,
) -> list[Match]:
    """The results of one task, by data and options, each matched over systems.

    ``results``: those of every system by its label, of any task; ``floors``: those without an
    encoder, of any task, which stand beside the results of the same data and options.

    Raises DataError naming what differs where a system's results cannot be compared with its
    baseline's, or with those of another system in the same language.
    """
    held = {
        label: [(run, unit) for run, unit in found if unit.task == task.name and not unit.floor]
        for label, found in results.items()
    }
    names = _data_names(held)
    known = [unit for unit in floors if (unit.language, unit.data_digest) in names]
    grouped: dict[str, dict[str, list[Result]]] = {}
    for label, found in held.items():
        for run, unit in found:
            setting = _setting(unit, names)
            grouped.setdefault(setting, {}).setdefault(label, []).append((run, unit))
    _refuse_strangers(systems, held, list(grouped.values()), task.name)
    return [
        _matched(grouped[setting], [u for u in known if _setting(u, names) == setting], names, task)
        for setting in sorted(grouped)
    ]


def _matched(
    held: Mapping[str, Sequence[Result]],
    floors: Sequence[EvalUnit],
    names: DataNames,
    task: TaskInfo,
) -> Match:
    everything = [result for results in held.values() for result in results]
    first = everything[0][1]
    match = Match(task.name, names[first.language, first.data_digest], first.options)
    for language in sorted({unit.language for _, unit in everything}):
        here = {
            label: [r for r in results if r[1].language == language]
            for label, results in held.items()
        }
        here = {label: results for label, results in here.items() if results}
        variant = _common_variant(here, language, task)
        for label, results in here.items():
            for run, unit in sorted(results, key=lambda result: result[1].written):
                if _variant(unit) == variant:
                    seeds = match.results.setdefault(label, {}).setdefault(language, {})
                    seeds[unit.alignment_seed, unit.head_seed] = run, unit
                else:
                    match.left_out += 1
        for unit in floors:
            if unit.floor and unit.language == language and _variant(unit)[:2] == variant[:2]:
                match.floors.setdefault(unit.floor, {})[language] = unit
    return match


def _common_variant(held: Mapping[str, Sequence[Result]], language: str, task: TaskInfo) -> Variant:
    """The newest variant that every system has."""
    common = set.intersection(*({_variant(unit) for _, unit in rs} for rs in held.values()))
    if not common:
        labels = list(held)
        apart = ((a, b) for a in labels for b in labels if not _shared(held[a], held[b]))
        one, other = next(apart, (labels[0], labels[1]))
        raise _differ(one, other, f"{task.name} in {language}", held[one], held[other])
    fitting = [unit for results in held.values() for _, unit in results if _variant(unit) in common]
    newest = _variant(max(fitting, key=lambda unit: unit.written))
    if newest[0] != task.version:
        raise DataError(
            f"the results of {task.name} in {language} are of version {newest[0]} of the task, "
            f"and version {task.version} is installed",
            f"evaluate again: otx eval {task.name}",
        )
    return newest


def _shared(one: Sequence[Result], other: Sequence[Result]) -> bool:
    return bool({_variant(unit) for _, unit in one} & {_variant(unit) for _, unit in other})


def _refuse_strangers(
    systems: Sequence[System],
    held: Mapping[str, Sequence[Result]],
    groups: Sequence[Mapping[str, object]],
    task: str,
) -> None:
    """Refuse a system whose results all have other options or data than its baseline's."""
    for system in systems:
        label, base = system.label, system.baseline
        if base is None or not held[label] or not held[base]:
            continue
        if not any(label in group and base in group for group in groups):
            raise _differ(base, label, task, held[base], held[label])


def _differ(
    one: str, other: str, where: str, own: Sequence[Result], others: Sequence[Result]
) -> DataError:
    a, b = own[-1][1], others[-1][1]
    pairs = {
        "task version": (a.task_version, b.task_version),
        "data": (f"{a.data or ''} {a.data_digest[:8]}", f"{b.data or ''} {b.data_digest[:8]}"),
        "training": (str(a.training_digest)[:8], str(b.training_digest)[:8]),
        "precision": (a.precision, b.precision),
        "encoder options": (dict(a.encoder_options), dict(b.encoder_options)),
        **{k: (a.options.get(k), b.options.get(k)) for k in {*a.options, *b.options}},
    }
    said = [
        f"{name} ({str(left).strip()} and {str(right).strip()})"
        for name, (left, right) in sorted(pairs.items())
        if left != right
    ]
    return DataError(
        f"{where}: {one} and {other} cannot be compared: they differ in {', '.join(said)}",
        "evaluate both alike, or name the runs to compare",
    )


def _variant(unit: EvalUnit) -> Variant:
    options = json.dumps(unit.encoder_options, sort_keys=True)
    return unit.task_version, unit.data_digest, unit.training_digest, unit.precision, options


def _setting(unit: EvalUnit, names: DataNames) -> str:
    name = names[unit.language, unit.data_digest]
    return json.dumps([name, unit.options], sort_keys=True)


def _data_names(held: Mapping[str, Sequence[Result]]) -> DataNames:
    """One name for equal data: two runs may have reached one folder by different ways."""
    names: DataNames = {}
    for results in held.values():
        for _, unit in results:
            name = None if unit.data is None else Path(unit.data).name or unit.data
            names.setdefault((unit.language, unit.data_digest), name)
    return names
