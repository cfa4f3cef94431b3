"""`otx plugins`: what became of each plugin; leaving one out, and taking it back."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from otx.cli.check import check
from otx.cli.console import columns, screen
from otx.config.settings import load_settings
from otx.config.toml_file import edit_list
from otx.did_you_mean import remedy
from otx.errors import PluginError, UsageError
from otx.plugin_host.discovery import find_installed, installed
from otx.plugin_host.host import PluginHost, PluginRecord

JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NAME = Annotated[str, typer.Argument(help="The plugin's name, or distribution:name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    commands.command("list")(list_plugins)
    commands.command()(disable)
    commands.command()(enable)
    commands.command()(check)
    app.add_typer(commands, name="plugins", help="List, disable, enable and check plugins.")


def list_plugins(json: JSON = False) -> None:
    """List every plugin, installed or given by --plugin, and whether it loads.

    Exit code 4 if a file given by --plugin does not load.
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


def disable(name: NAME, json: JSON = False) -> None:
    """Leave a plugin out, in otx.toml. Runs none of its code."""
    plugin = find_installed(name, installed())
    if plugin.ours:
        raise UsageError(f"plugin '{plugin.name}' comes with otx and cannot be disabled")
    before = load_settings().plugins.disabled
    if name not in before:
        _write([*before, name])
    _report(name, "disabled", json)


def enable(name: NAME, json: JSON = False) -> None:
    """Take a plugin back that was disabled. Runs none of its code."""
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
    screen.note(f"wrote {path}")


def _report(name: str, status: str, json: bool) -> None:
    if json:
        screen.json({"name": name, "status": status})
    else:
        screen.result(f"{name} is {status}")
