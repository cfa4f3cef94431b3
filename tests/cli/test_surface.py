"""The command line and the settings are promises: what is frozen here changes on purpose or not at all.

A change that is meant is written into tests/golden by hand, and into the documentation with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import otx.errors
from otx.cli import application
from otx.cli.config import toml
from otx.config.settings import Settings

GOLDEN = Path(__file__).parent.parent / "golden"


def flags(command: Any, name: str) -> Iterator[str]:
    """A line for each command, with its flags and arguments."""
    own = []
    for parameter in command.params:
        shown = "/".join(parameter.opts) if parameter.opts[0].startswith("-") else parameter.name
        own.append(shown)
    yield " ".join([name, *own])
    for below in getattr(command, "commands", {}):
        yield from flags(command.commands[below], f"{name} {below}")


def test_commands_and_flags() -> None:
    lines = list(flags(typer.main.get_command(application()), "otx"))
    assert lines == (GOLDEN / "commands.txt").read_text().splitlines()


def test_settings_and_their_defaults() -> None:
    lines = [
        f"{section}.{key} = {toml(value)}"
        for section, table in Settings().as_dict().items()
        for key, value in table.items()
    ]
    assert lines == (GOLDEN / "settings.txt").read_text().splitlines()


def test_exit_codes() -> None:
    codes = {
        name: kind.exit_code
        for name, kind in vars(otx.errors).items()
        if inspect.isclass(kind) and issubclass(kind, otx.errors.OTXError)
    }
    assert codes == {
        "OTXError": 1,
        "TrainingError": 1,
        "ProblemError": 1,
        "UsageError": 2,
        "DataError": 3,
        "CheckpointError": 3,
        "MissingDataError": 3,
        "PluginError": 4,
        "Interrupted": 5,
    }
