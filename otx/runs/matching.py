"""Match results that can be compared: the same task, with the same options, on the same data."""

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
"""A run and one of its results."""
Variant = tuple[str, str, str | None, str | None, str]
"""(task version, digest of the data, digest of the training data, precision, encoder options).

Equal within a column of a table."""
DataNames = dict[tuple[str, str], str | None]
"""(language, digest of the data) -> name of the data."""


@dataclass(slots=True)
class Match:
    """Results that belong in one table.

    Attributes:
        task: Name of the task.
        data: Name of the data, or None.
        options: The task's options.
        results: System label -> language -> seed -> result.
        floors: Name of a baseline without an encoder -> language -> result.
        left_out: Number of further results, with other data, versions or training data.
    """

    task: str
    data: str | None
    options: Mapping[str, Any]
    results: dict[str, dict[str, dict[Seed, Result]]] = field(default_factory=dict)
    floors: dict[str, dict[str, EvalUnit]] = field(default_factory=dict)
    left_out: int = 0

    @property
    def languages(self) -> list[str]:
        """Every language that any system has a result in, sorted."""
        return sorted({name for by_language in self.results.values() for name in by_language})


def matches(
    systems: Sequence[System],
    results: Mapping[str, Sequence[Result]],
    floors: Sequence[EvalUnit],
    task: TaskInfo,
) -> list[Match]:
    """Group the results of one task by data and options, matched over systems.

    Args:
        systems: The systems of the comparison.
        results: Results of every system by its label, of any task.
        floors: Results without an encoder, of any task; they join the results with the same data and options.
        task: The task.

    Returns:
        One match for each combination of data and options.

    Raises:
        DataError: If a system's results cannot be compared with its baseline's, or with those of another system in the
            same language, naming the difference.
    """
    of_task = {
        label: [(run, unit) for run, unit in pairs if unit.task == task.name and not unit.floor]
        for label, pairs in results.items()
    }
    names = _data_names(of_task)
    known = [unit for unit in floors if (unit.language, unit.data_digest) in names]
    grouped: dict[str, dict[str, list[Result]]] = {}
    for label, pairs in of_task.items():
        for run, unit in pairs:
            setting = _setting(unit, names)
            grouped.setdefault(setting, {}).setdefault(label, []).append((run, unit))
    _refuse_incomparable(systems, of_task, list(grouped.values()), task.name)
    return [
        _matched(grouped[setting], [u for u in known if _setting(u, names) == setting], names, task)
        for setting in sorted(grouped)
    ]


def _matched(
    results: Mapping[str, Sequence[Result]],
    floors: Sequence[EvalUnit],
    names: DataNames,
    task: TaskInfo,
) -> Match:
    everything = [pair for pairs in results.values() for pair in pairs]
    first = everything[0][1]
    match = Match(task.name, names[first.language, first.data_digest], first.options)
    for language in sorted({unit.language for _, unit in everything}):
        in_language = {
            label: [pair for pair in pairs if pair[1].language == language]
            for label, pairs in results.items()
        }
        in_language = {label: pairs for label, pairs in in_language.items() if pairs}
        variant = _common_variant(in_language, language, task)
        for label, pairs in in_language.items():
            for run, unit in sorted(pairs, key=lambda pair: pair[1].written):
                if _variant(unit) == variant:
                    seeds = match.results.setdefault(label, {}).setdefault(language, {})
                    seeds[unit.alignment_seed, unit.head_seed] = run, unit
                else:
                    match.left_out += 1
        for unit in floors:
            if unit.floor and unit.language == language and _variant(unit)[:2] == variant[:2]:
                match.floors.setdefault(unit.floor, {})[language] = unit
    return match


def _common_variant(
    results: Mapping[str, Sequence[Result]], language: str, task: TaskInfo
) -> Variant:
    """Return the newest variant that every system has."""
    common = set.intersection(*({_variant(unit) for _, unit in p} for p in results.values()))
    if not common:
        labels = list(results)
        apart = ((a, b) for a in labels for b in labels if not _shared(results[a], results[b]))
        one, other = next(apart, (labels[0], labels[1]))
        place = f"{task.name} in {language}"
        raise _difference(place, (one, results[one]), (other, results[other]))
    fitting = [unit for pairs in results.values() for _, unit in pairs if _variant(unit) in common]
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


def _refuse_incomparable(
    systems: Sequence[System],
    results: Mapping[str, Sequence[Result]],
    groups: Sequence[Mapping[str, object]],
    task: str,
) -> None:
    """Refuse a system whose results all have different options or data from its baseline's."""
    for system in systems:
        label, base = system.label, system.baseline
        if base is None or not results[label] or not results[base]:
            continue
        if not any(label in group and base in group for group in groups):
            raise _difference(task, (base, results[base]), (label, results[label]))


def _difference(
    place: str, one: tuple[str, Sequence[Result]], other: tuple[str, Sequence[Result]]
) -> DataError:
    """Return the error for two labels with results that cannot be compared."""
    a, b = one[1][-1][1], other[1][-1][1]
    pairs = {
        "task version": (a.task_version, b.task_version),
        "data": (f"{a.data or ''} {a.data_digest[:8]}", f"{b.data or ''} {b.data_digest[:8]}"),
        "training": (str(a.training_digest)[:8], str(b.training_digest)[:8]),
        "precision": (a.precision, b.precision),
        "encoder options": (dict(a.encoder_options), dict(b.encoder_options)),
        **{k: (a.options.get(k), b.options.get(k)) for k in {*a.options, *b.options}},
    }
    differences = [
        f"{name} ({str(left).strip()} and {str(right).strip()})"
        for name, (left, right) in sorted(pairs.items())
        if left != right
    ]
    return DataError(
        f"{place}: {one[0]} and {other[0]} cannot be compared: they differ in {', '.join(differences)}",
        "evaluate both with the same options, or name the runs to compare",
    )


def _variant(unit: EvalUnit) -> Variant:
    options = json.dumps(unit.encoder_options, sort_keys=True)
    return unit.task_version, unit.data_digest, unit.training_digest, unit.precision, options


def _setting(unit: EvalUnit, names: DataNames) -> str:
    name = names[unit.language, unit.data_digest]
    return json.dumps([name, unit.options], sort_keys=True)


def _data_names(results: Mapping[str, Sequence[Result]]) -> DataNames:
    """Return one name for equal data: two runs may have read it by different paths."""
    names: DataNames = {}
    for pairs in results.values():
        for _, unit in pairs:
            name = None if unit.data is None else Path(unit.data).name or unit.data
            names.setdefault((unit.language, unit.data_digest), name)
    return names
