"""The command line and the settings are promises: what is frozen here changes on purpose or not at all.

A change that is meant is written into tests/golden by hand, and into the documentation with it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import otx.errors
from otx.cli import COMMANDS as MODULES
from otx.cli import _command, application, run
from otx.cli.config import toml
from otx.config.settings import Settings

COMPLETION = ("install_completion", "show_completion")
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


def commands(command: Any, name: str = "otx") -> Iterator[tuple[str, Any]]:
    """Every command and group with its name."""
    yield name, command
    for below, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {below}")


COMMANDS = dict(commands(_command(application())))
FOREIGN = ("eval", "compare", "predict", "plan", "show", "corpus", "plugins check")
"""Commands whose metavars are still those of typer."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_short_summary_and_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert re.search(rf"^  {name}\b", command.epilog, re.MULTILINE)
    assert name == "otx" or 0 < len(command.short_help) <= 45
    # What the example names exists: a renamed flag is renamed here, too.
    known = {
        flag for one in COMMANDS.values() for parameter in one.params for flag in parameter.opts
    }
    assert set(re.findall(r"(?<=\s)--[a-z-]+", command.epilog)) <= known


def test_the_top_level_help_shows_whole_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert len(listed.splitlines()) == len(MODULES) and "..." not in listed


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if not name.startswith(tuple(f"otx {n}" for n in FOREIGN))]
)
def test_values_have_names_for_humans(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if parameter.metavar is None:
            assert getattr(parameter, "is_flag", False) or parameter.name in COMPLETION, parameter
        else:
            assert re.fullmatch(r"[A-Z*.=-]+", parameter.metavar)


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
