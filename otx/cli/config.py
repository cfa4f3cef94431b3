"""`otx config`: the settings that hold here, where each comes from, and a file to begin with."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from otx.cli.console import columns, screen
from otx.config.schema import SECTIONS
from otx.config.settings import Settings, load_settings
from otx.config.toml_file import NAME
from otx.config.validation import field_docs
from otx.errors import UsageError
from otx.files import atomic

COMMON = (
    ("align", ("objective", "seed", "epochs")),
    ("encoder", ("model",)),
    ("data", ("corpus", "pivot", "batch_tokens")),
    ("eval", ("languages", "seeds")),
    ("runs", ("folder",)),
)
"""What people change most: the keys of a fresh otx.toml."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    commands.command()(show)
    commands.command()(init)
    app.add_typer(commands, name="config", help="Show the settings, or begin an otx.toml.")


def show(
    origin: Annotated[
        bool, typer.Option("--origin", help="Say where each value comes from.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every setting that holds in this folder. Runs no plugin's code."""
    settings = load_settings()
    if json:
        screen.json(_with_origins(settings) if origin else settings.as_dict())
        return
    rows = []
    for section, table in settings.as_dict().items():
        for key, value in table.items():
            dotted = f"{section}.{key}"
            rows.append((dotted, toml(value), *((settings.origin(dotted),) if origin else ())))
    screen.result(columns(rows))


def init() -> None:
    """Write an otx.toml here, with the settings that people change most."""
    path = Path(NAME)
    if path.exists():
        raise UsageError(f"{path} is there already", "edit it, or see otx config show --origin")
    atomic.write(path, template().encode())
    screen.result(f"wrote {path}")


def template() -> str:
    """The text of a fresh otx.toml: defaults, commented out."""
    defaults = Settings().as_dict()
    lines = [
        "# Settings of otx in this folder and below. A line that begins with # and a key is the default.",
        "# Every key: otx config show. An objective, encoder, corpus or task has a table of its own,",
        "# such as [sinkhorn]; otx list objectives --json names its keys.",
    ]
    for section, keys in COMMON:
        docs = field_docs(SECTIONS[section])
        lines += ["", f"[{section}]"]
        for key in keys:
            told = docs[key].replace("``", "")
            lines += [f"# {key}: {told}", f"#{key} = {toml(defaults[section][key])}"]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A setting as otx.toml would hold it; "none" for one that is not set."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json_text.dumps(value, ensure_ascii=False)


def _with_origins(settings: Settings) -> dict[str, dict[str, Any]]:
    return {
        section: {
            key: {"value": value, "origin": settings.origin(f"{section}.{key}")}
            for key, value in table.items()
        }
        for section, table in settings.as_dict().items()
    }
