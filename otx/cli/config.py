"""`otx config`: show the effective settings and their origins, and write or rewrite an otx.toml."""

from __future__ import annotations

import json as json_text
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from otx.cli.console import columns, screen
from otx.cli.flags import Json, example
from otx.config.schema import SECTIONS
from otx.config.settings import Settings, load_settings
from otx.config.toml_file import NAME, find_file
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
"""The settings that people change most, by table: the keys of a new otx.toml."""


def register(app: typer.Typer) -> None:
    """Add the commands.

    Args:
        app: The application.
    """
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    commands.command(
        short_help="Show every setting in effect here.",
        epilog=example("otx config show --origin"),
    )(show)
    commands.command(
        short_help="Write an otx.toml with common settings.", epilog=example("otx config init")
    )(init)
    commands.command(
        short_help="Rewrite a file that has old names.",
        epilog=example("otx config migrate --dry-run", "otx config migrate"),
    )(migrate)
    app.add_typer(
        commands,
        name="config",
        help="Show the settings, and write or rewrite an otx.toml.",
        epilog=example("otx config show --origin"),
    )


def show(
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value is set.")] = False,
    json: Json = False,
) -> None:
    """Show every setting in effect in this folder. Runs no plugin's code."""
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
    """Write an otx.toml here, with the settings that people change most, commented out."""
    path = Path(NAME)
    if path.exists():
        raise UsageError(f"{path} exists already", "edit it, or see otx config show --origin")
    atomic.write(path, template().encode())
    screen.result(f"Wrote {path}")


def migrate(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="File to rewrite; the nearest otx.toml by default."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the changes, and write nothing.")
    ] = False,
) -> None:
    """Rewrite a file of settings that has old names, keeping its comments and layout.

    The old file is kept as FILE.bak. Running the command again changes nothing.
    """
    path = find_file(Path.cwd()) if file is None else Path(file)
    if path is None:
        raise UsageError(
            f"there is no {NAME} here or above", "name a file: otx config migrate FILE"
        )
    from otx.config.file_migration import migrate_file

    migrated, shown = migrate_file(path), os.path.relpath(path)
    if not migrated.renamed:
        screen.result(f"{shown} has no old names of settings")
        return
    screen.result(migrated.diff())
    if dry_run:
        return
    backup = Path(f"{path}.bak")
    if backup.exists():
        raise UsageError(f"{os.path.relpath(backup)} exists already", "move it away, or remove it")
    atomic.write(backup, path.read_bytes())
    atomic.write(path, migrated.after.encode())
    count = len(migrated.renamed)
    screen.result(
        f"Renamed {count} setting{'' if count == 1 else 's'} in {shown}; "
        f"the old file is {os.path.relpath(backup)}"
    )


def template() -> str:
    """Return the text of a new otx.toml: the defaults of common settings, commented out."""
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
            text = docs[key].replace("``", "")
            lines += [f"# {key}: {text}", f"#{key} = {toml(defaults[section][key])}"]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """Return a setting as otx.toml holds it; ``none`` for one that is not set.

    Args:
        value: Value of the setting.

    Example:
        >>> toml(["a", 1]), toml(None)
        ('["a", 1]', 'none')
    """
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
