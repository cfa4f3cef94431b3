"""What every command that does work begins with: settings, plugins, and every name checked before anything loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otx.cli.console import screen
from otx.config.objective_term import parse_term
from otx.config.settings import Settings, load_settings, overlaid
from otx.plugin_host.host import PluginHost, host
from otx.plugin_host.registry import Registry


def open_project(
    flags: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    recipe: str | None = None,
) -> tuple[Settings, PluginHost]:
    """Settings (otx.toml, then the recipe of that name, then flags by dotted key and ``--set`` texts) and plugins.

    Raises UsageError for an objective, a recipe, a table or an option that nobody knows.
    """
    settings = load_settings(flags=flags, sets=sets)
    plugins = open_host(settings)
    if recipe is not None:
        path = plugins.registry.find("recipe", recipe).path
        settings = overlaid(settings, recipe=path)
        plugins.check_tables(settings)
    _check_names(settings, plugins.registry)
    return settings, plugins


def open_host(settings: Settings) -> PluginHost:
    """Plugins, loaded; a line on stderr for each that failed."""
    plugins = host(settings)
    screen.keep_stdout()
    for record in plugins.failed:
        screen.warn(
            f"warning: plugin {record.name} ({record.distribution}) failed: {record.error}; "
            "see otx doctor"
        )
    return plugins


def warn_of_damaged(root: Path) -> None:
    """Print a warning for each run in ``root`` whose record cannot be read."""
    from otx.runs.folder import damaged_runs

    for error in damaged_runs(root):
        screen.warn(f"warning: left out: {error}")


def _check_names(settings: Settings, registry: Registry) -> None:
    for text in settings.align.objective:
        registry.find("objective", parse_term(text).name)
    for name in settings.options:
        owners = registry.owners(name)
        # The command settles who is meant by a contested name.
        if len(owners) == 1:
            owners[0].read_options(settings)
