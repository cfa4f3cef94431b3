"""What every command that does work begins with: settings, plugins, and a word about plugins that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otx.cli.output import screen
from otx.config import Settings, load_settings
from otx.plugins import PluginHost, host


def open_project(
    flags: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    recipe: str | None = None,
) -> tuple[Settings, PluginHost]:
    """Settings (otx.toml, then the recipe of that name, then flags by dotted key and ``--set`` texts) and plugins."""
    settings = load_settings(flags=flags, sets=sets)
    plugins = open_host(settings)
    if recipe is not None:
        path = plugins.registry.find("recipe", recipe).path
        settings = load_settings(flags=flags, sets=sets, recipe=path)
        plugins.check_tables(settings)
    return settings, plugins


def open_host(settings: Settings) -> PluginHost:
    """Plugins, loaded; a line on stderr for each that failed."""
    plugins = host(settings)
    for record in plugins.failed:
        screen.warn(
            f"warning: plugin {record.name} ({record.distribution}) failed: {record.error}; "
            "see otx doctor"
        )
    return plugins
