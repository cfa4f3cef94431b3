"""Settings and plugins of a command, with every name checked before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otx.cli.console import screen
from otx.config.settings import Settings, load_settings, overlaid
from otx.plugin_host.host import PluginHost, host


def open_project(
    flags: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    recipe: str | None = None,
) -> tuple[Settings, PluginHost]:
    """Load settings and plugins, and check names and options.

    Args:
        flags: Values of flags by dotted key; None and empty lists are flags that were not given.
        sets: Texts of ``--set``.
        recipe: Name of a recipe; its settings take precedence over otx.toml, but not over flags.

    Raises:
        UsageError: For an unknown objective, recipe, table or option.
    """
    settings = load_settings(flags=flags, sets=sets)
    plugins = open_host(settings)
    if recipe is not None:
        path = plugins.registry.find("recipe", recipe).path
        settings = overlaid(settings, recipe=path)
        plugins.check_tables(settings.option_tables)
    plugins.check_names(settings.align.objective, settings.option_tables)
    return settings, plugins


def open_host(settings: Settings) -> PluginHost:
    """Load the plugins, with a warning for each that failed.

    Args:
        settings: Disabled plugins, preferred distributions, and the tables of options.
    """
    plugins = host(settings)
    screen.keep_stdout()
    for record in plugins.failed:
        screen.warn(
            f"warning: plugin {record.name} ({record.distribution}) failed: {record.error}; "
            "see otx doctor"
        )
    return plugins


def warn_of_damaged(root: Path) -> None:
    """Print a warning for each run whose record cannot be read.

    Args:
        root: Folder of the run folders.
    """
    from otx.runs.folder import damaged_runs

    for error in damaged_runs(root):
        screen.warn(f"warning: skipped {error}")
