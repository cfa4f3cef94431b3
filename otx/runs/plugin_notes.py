"""Differences between the plugins of runs and results: noted, never part of a key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from otx.runs.grouping import System

Plugins = Sequence[Mapping[str, str]]
"""Kind, name, distribution and version of each plugin used, as run.json and results list them; older ones list none."""


def version_changes(before: Plugins, now: Plugins) -> list[str]:
    """Compare the plugins that a run began with and those that it is resumed with.

    Args:
        before: Plugins as run.json lists them. Older versions of otx listed none; nothing is then concluded.
        now: Plugins as they are now.

    Returns:
        A line for each change, naming all components that it concerns.

    Example:
        >>> before = [{"kind": "task", "name": "pos", "distribution": "otx", "version": "0.1"}]
        >>> version_changes(before, [{**before[0], "version": "0.2"}])
        ['task pos: otx 0.1 when the run began, otx 0.2 now']
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
    """Return the differences between the plugins of runs or results.

    A component may have different versions or come from different distributions.

    Observers change no number and are left out.

    Args:
        named: Name and plugins of each run or result.

    Returns:
        A line for each difference, naming all components that it concerns and the runs that used each version.
    """
    users: dict[str, dict[str, list[str]]] = {}
    for name, plugins in named:
        for component, version in _by_component(plugins).items():
            if not component.startswith("observer "):
                names = users.setdefault(component, {}).setdefault(version, [])
                names += [name] if name not in names else []
    lines: dict[str, list[str]] = {}
    for component, versions in sorted(users.items()):
        if len(versions) > 1:
            parts = (f"{version} in {', '.join(names)}" for version, names in versions.items())
            lines.setdefault("; ".join(parts), []).append(component)
    return [f"{', '.join(components)}: {line}" for line, components in lines.items()]


def alignment_notes(systems: Sequence[System]) -> tuple[str, ...]:
    """Return notes on runs aligned or resumed with different versions of a plugin.

    Args:
        systems: The systems of a comparison.
    """
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
    """Return notes on results of one table computed with different plugin versions.

    Args:
        named: Name and plugins of each result.
    """
    return [f"evaluated with different plugins: {line}" for line in version_differences(named)]


def plugins_in_words(record: Mapping[str, Any]) -> str:
    """Return the distributions that a run used, with versions and components.

    Args:
        record: The run's record.
    """
    components: dict[str, list[str]] = {}
    for component, version in _by_component(record.get("plugins", [])).items():
        components.setdefault(version, []).append(component)
    return "; ".join(f"{version} ({', '.join(names)})" for version, names in components.items())


def _by_component(plugins: Plugins) -> dict[str, str]:
    return {
        f"{plugin['kind']} {plugin['name']}": f"{plugin['distribution']} {plugin['version']}".strip()
        for plugin in plugins
    }
