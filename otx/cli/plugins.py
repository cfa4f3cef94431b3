"""`otx plugins`: list, disable, enable and check plugins."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from otx.cli.check import check
from otx.cli.console import columns, screen
from otx.cli.flags import Json, example
from otx.config.settings import load_settings
from otx.config.toml_file import edit_list
from otx.did_you_mean import remedy
from otx.errors import PluginError, UsageError
from otx.plugin_host.discovery import find_installed, installed
from otx.plugin_host.host import PluginHost, PluginRecord

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the plugin, or distribution:name.")
]


def register(app: typer.Typer) -> None:
    """Add the commands.

    Args:
        app: The application.
    """
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    commands.command(
        "list",
        short_help="List every plugin with its status.",
        epilog=example("otx plugins list"),
    )(list_plugins)
    commands.command(
        short_help="Disable a plugin in otx.toml.", epilog=example("otx plugins disable otx-pull")
    )(disable)
    commands.command(
        short_help="Enable a plugin that was disabled.",
        epilog=example("otx plugins enable otx-pull"),
    )(enable)
    commands.command(
        short_help="Check that a plugin keeps its contract.",
        epilog=example("otx plugins check sinkhorn"),
    )(check)
    app.add_typer(
        commands,
        name="plugins",
        help="List, disable, enable and check plugins.",
        epilog=example("otx plugins list"),
    )


def list_plugins(json: Json = False) -> None:
    """List every plugin, installed or given by --plugin, with its status.

    The exit code is 4 if a file given by --plugin does not load.
    """
    plugins = PluginHost(load_settings().plugins)
    plugins.load()
    if json:
        screen.json([dataclasses.asdict(record) for record in plugins.records])
    else:
        head = ("PLUGIN", "DISTRIBUTION", "VERSION", "STATUS", "MS", "HOOKS OR REASON")
        screen.result(columns([head, *(_row(record) for record in plugins.records)]))
    if any(record.is_file for record in plugins.failed):
        raise typer.Exit(PluginError.exit_code)


def disable(name: Name, json: Json = False) -> None:
    """Disable a plugin in otx.toml. Runs none of its code."""
    plugin = find_installed(name, installed())
    if plugin.ours:
        raise UsageError(f"plugin '{plugin.name}' comes with otx and cannot be disabled")
    before = load_settings().plugins.disabled
    if name not in before:
        _write([*before, name])
    _report(name, "disabled", json)


def enable(name: Name, json: Json = False) -> None:
    """Enable a plugin that was disabled. Runs none of its code."""
    before = load_settings().plugins.disabled
    if name not in before:
        raise UsageError(f"plugin '{name}' is not disabled", remedy(name, before))
    _write([other for other in before if other != name])
    _report(name, "enabled", json)


def _row(record: PluginRecord) -> tuple[str, ...]:
    last = record.error or ", ".join(record.hooks)
    spent = f"{record.milliseconds:.0f}" if record.status != "disabled" else "-"
    return record.name, record.distribution, record.version, record.status, spent, last


def _write(disabled: list[str]) -> None:
    path = edit_list("plugins", "disabled", disabled)
    screen.note(f"Wrote {path}")


def _report(name: str, status: str, json: bool) -> None:
    if json:
        screen.json({"name": name, "status": status})
    else:
        screen.result(f"{name} is {status}")
