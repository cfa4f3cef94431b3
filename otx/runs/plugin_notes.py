"""Differences between the plugins of runs and results: noted, never part of a key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from otx.runs.grouping import System

Plugins = Sequence[Mapping[str, str]]
"""Kind, name, distribution and version of each plugin used, as run.json and results list them; none in older ones."""


def version_changes(before: Plugins, now: Plugins) -> list[str]:
    """Compare the plugins that a run began with and those that it is resumed with.

    Args:
        before: As run.json lists them. None at all were listed by older versions of otx: nothing is concluded.
        now: As they are.

    Returns:
        A line for each change, naming everything that it concerns.
    """
    if not before:
        return []
    old, new = _by_component(before), _by_component(now)
    changes: dict[str, list[str]] = {}
    for component in sorted({*old, *new}):
        then, current = old.get(component, "not used"), new.get(component, "not used")
        if then != current:
            changes.setdefault(f"{then} when the run began, {current} now", []).append(component)
    return [f"{', '.join(names)}: {change}" for change, names in sorted(changes.items())]


def version_differences(named: Iterable[tuple[str, Plugins]]) -> list[str]:
    """Compare the plugins of runs or results: the same component in different versions, or of different owners.

    Observers change no number and are left out.

    Args:
        named: What each run or result is called, and its plugins.

    Returns:
        A line for each difference, naming everything that it concerns and who used which version.
    """
    users: dict[str, dict[str, list[str]]] = {}
    for name, plugins in named:
        for component, version in _by_component(plugins).items():
            if not component.startswith("observer "):
                held = users.setdefault(component, {}).setdefault(version, [])
                held += [name] if name not in held else []
    lines: dict[str, list[str]] = {}
    for component, versions in sorted(users.items()):
        if len(versions) > 1:
            parts = (f"{version} in {', '.join(names)}" for version, names in versions.items())
            lines.setdefault("; ".join(parts), []).append(component)
    return [f"{', '.join(components)}: {line}" for line, components in lines.items()]


def alignment_notes(systems: Sequence[System]) -> tuple[str, ...]:
    """Return notes on runs that were aligned, or resumed, with different versions of a plugin."""
    records = [(run.name, run.record) for system in systems for run in system.runs]
    differences = version_differences((name, record.get("plugins", [])) for name, record in records)
    return (
        *(f"aligned with different plugins: {line}" for line in differences),
        *(
            f"{name} was resumed with other plugins: {line}"
            for name, record in records
            for line in record.get("plugin_changes", [])
        ),
    )


def evaluation_notes(named: Iterable[tuple[str, Plugins]]) -> list[str]:
    """Return notes on results of one table that were computed with different versions of a plugin."""
    return [f"evaluated with different plugins: {line}" for line in version_differences(named)]


def plugins_in_words(record: Mapping[str, Any]) -> str:
    """Return the distributions that a run used, each with its version and what it brought."""
    brought: dict[str, list[str]] = {}
    for component, version in _by_component(record.get("plugins", [])).items():
        brought.setdefault(version, []).append(component)
    return "; ".join(f"{version} ({', '.join(names)})" for version, names in brought.items())


def _by_component(plugins: Plugins) -> dict[str, str]:
    return {
        f"{one['kind']} {one['name']}": f"{one['distribution']} {one['version']}".strip()
        for one in plugins
    }
