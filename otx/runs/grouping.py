"""Group runs into systems: runs that differ only in their alignment seed are one system with one label."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from otx.config.schema import SECTIONS
from otx.config.settings import Settings
from otx.errors import UsageError
from otx.runs.folder import RunFolder, untouched_runs

_SETTINGS = {
    "align": ("seed", "links", "links_direction"),
    "data": ("corpus",),
    "diagnostics": ("gold", "index_base"),
    "encoder": (),
    "optimizer": (),
}
"""Settings tables that determine an alignment, each with the keys that do not: they change no weight, or a digest
identifies their content better."""


@dataclass(frozen=True, slots=True)
class System:
    """One row of a table.

    Attributes:
        label: Label of the row.
        runs: Runs that differ only in their alignment seed.
        baseline: Label of the system that it is compared with; None for a baseline itself, or if there is none.
    """

    label: str
    runs: tuple[RunFolder, ...]
    baseline: str | None = None

    @property
    def untouched(self) -> bool:
        """True for an untouched encoder."""
        return str(self.runs[0].record["kind"]) == "untouched"

    @property
    def bitext(self) -> frozenset[str]:
        """The languages, other than the pivot, that the system was aligned on."""
        corpora = [corpus for run in self.runs for corpus in run.record.get("corpora", [])]
        return frozenset(corpus["source"] for corpus in corpora)


def systems_of(
    runs: Sequence[RunFolder], baseline: RunFolder | None, tasks: Collection[str]
) -> list[System]:
    """Group runs into systems and find the baseline of each.

    Args:
        runs: Runs to compare.
        baseline: A run to compare with. The runs among ``runs`` that differ from it only in their seed belong to the
            same system. Without it, each system's baseline is the untouched encoder that it began as, from the same
            folder of runs.
        tasks: Names of tasks: settings tables that do not affect an alignment.

    Returns:
        The systems, each baseline before the systems that are compared with it.

    Raises:
        UsageError: If there is no run.
    """
    if not runs:
        raise UsageError("there are no runs to compare", "evaluate a run first: otx eval TASK")
    untouched = [
        run for root in sorted({run.path.parent for run in runs}) for run in untouched_runs(root)
    ]
    origins = [run for run in untouched if any(_began_as(other, run) for other in runs)]
    added = [baseline] if baseline is not None else origins
    unique = {run.path.resolve(): run for run in [*runs, *added]}
    systems = _labelled(_grouped(list(unique.values()), tasks))
    return _ordered([replace(s, baseline=_baseline_of(s, systems, baseline)) for s in systems])


def _began_as(run: RunFolder, other: RunFolder) -> bool:
    kinds = run.record["kind"], other.record["kind"]
    before, digest = run.record.get("model_digest_before"), other.record.get("model_digest")
    return kinds == ("align", "untouched") and bool(before == digest)


def _baseline_of(
    system: System, systems: Sequence[System], baseline: RunFolder | None
) -> str | None:
    for other in systems:
        if baseline is None:
            is_baseline = _began_as(system.runs[0], other.runs[0])
        else:
            is_baseline = any(run.path.resolve() == baseline.path.resolve() for run in other.runs)
        if is_baseline:
            return None if other.label == system.label else other.label
    return None


def _grouped(runs: Sequence[RunFolder], tasks: Collection[str]) -> list[tuple[RunFolder, ...]]:
    groups: dict[tuple[str, int], list[RunFolder]] = {}
    seen: Counter[tuple[str, object]] = Counter()
    for run in sorted(runs, key=lambda run: (run.record["created"], run.name)):
        essence = _essence(run, tasks)
        # A repeated seed is the same alignment again, not a second one: it starts another system.
        repetition = seen[essence, run.record.get("alignment_seed")]
        seen[essence, run.record.get("alignment_seed")] += 1
        groups.setdefault((essence, repetition), []).append(run)
    return [tuple(group) for group in groups.values()]


def _essence(run: RunFolder, tasks: Collection[str]) -> str:
    """Return everything that determines an alignment, except its seed, as text."""
    record = run.record
    if record["kind"] != "align":
        return run.name
    settings = record["settings"]
    align = {
        f"{name}.{key}": value
        for name, left_out in _SETTINGS.items()
        for key, value in settings.get(name, {}).items()
        if key not in left_out and not _is_default(name, key, value)
    }
    others = {*SECTIONS, *tasks}
    given = {name: table for name, table in settings.items() if name not in others}
    options = record.get("options", given), record.get("precision")
    links = {k: v for k, v in record.get("files", {}).items() if k.startswith("links")}
    texts = [(c["source"], c["pivot"], c.get("fingerprint")) for c in record.get("corpora", [])]
    before = record.get("model_digest_before")
    return json.dumps([align, options, links, texts, before], sort_keys=True)


def _is_default(table: str, key: str, value: object) -> bool:
    """Return whether a setting has its default: a setting that is newer than a record is missing there."""
    defaults = _defaults().get(table, {})
    return key in defaults and json.dumps(defaults[key]) == json.dumps(value)


@cache
def _defaults() -> dict[str, dict[str, Any]]:
    return Settings().as_dict()


def _labelled(groups: Sequence[tuple[RunFolder, ...]]) -> list[System]:
    """Label each group with the first of its names that no other group has."""
    namings = (_objectives, _objectives_and_model, _stem)
    counts = [Counter(naming(group) for group in groups) for naming in namings]
    systems = []
    for group in groups:
        names = (naming(group) for naming in namings)
        unique = (n for n, count in zip(names, counts, strict=True) if count[n] == 1)
        systems.append(System(next(unique, group[0].name), group))
    return systems


def _objectives(group: Sequence[RunFolder]) -> str:
    run = group[0]
    if "system" in run.record:
        # A study gives its systems their names.
        return str(run.record["system"])
    if run.record["kind"] == "untouched":
        return "untouched"
    return " + ".join(run.record.get("objectives", [])) or run.name


def _objectives_and_model(group: Sequence[RunFolder]) -> str:
    return f"{_objectives(group)} ({group[0].record.get('model', group[0].name)})"


def _stem(group: Sequence[RunFolder]) -> str:
    """Return the common beginning of the runs' names: ``shuffled`` for shuffled-1 and shuffled-2."""
    shared = os.path.commonprefix([run.name for run in group])  # noqa: RUF071 (names, not paths)
    return shared.rstrip("-_.") or group[0].name


def _ordered(systems: Sequence[System]) -> list[System]:
    followers = [system for system in systems if system.baseline is not None]
    leaders = [system for system in systems if system.baseline is None]
    leaders.sort(key=lambda system: not system.untouched)
    return [
        system
        for leader in leaders
        for system in [leader, *(s for s in followers if s.baseline == leader.label)]
    ]
