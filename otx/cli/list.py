"""`otx list`: list registered objectives, encoders, corpora, tasks and recipes."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from otx.cli.console import columns, screen
from otx.cli.context import open_host
from otx.cli.flags import Json, example
from otx.config.settings import load_settings
from otx.config.validation import field_docs
from otx.did_you_mean import remedy
from otx.errors import OTXError, UsageError
from otx.plugin_host.registry import KINDS, PLURALS, Entry


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "list",
        epilog=example("otx list objectives", "otx list tasks --json"),
    )(list_names)


def _kinds(incomplete: str) -> list[str]:
    return [name for name in PLURALS.values() if name.startswith(incomplete)]


def list_names(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="objectives, encoders, corpora, tasks or recipes.",
            autocompletion=_kinds,
        ),
    ],
    json: Json = False,
) -> None:
    """List objectives, encoders, corpora, tasks or recipes; with --json, with every option and its default."""
    singular = next((one for one in KINDS if PLURALS[one] == kind), None)
    if singular is None:
        raise UsageError(f"there is no list of '{kind}'", remedy(kind, PLURALS.values()))
    entries = open_host(load_settings()).registry.entries(singular)
    if json:
        screen.json([_described(entry) for entry in entries])
    elif entries:
        screen.result(columns([(e.name, e.distribution, e.summary) for e in entries]))


def _described(entry: Entry) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kind": entry.kind,
        "name": entry.name,
        "distribution": entry.distribution,
        "summary": entry.summary,
    }
    try:
        options = entry.options
    except OTXError as error:
        # As for a plugin that failed: a warning, and the other entries are listed.
        screen.warn(f"warning: {error.message}")
        described["options"] = None
    else:
        if options is not None:
            described["options"] = _options(options)
    if entry.info is not None:
        described |= {
            "version": entry.info.version,
            "task": entry.info.kind,
            "metrics": [metric.name for metric in entry.info.metrics],
            "licence": entry.info.licence,
            "source_language": entry.info.source_language,
        }
    return described


def _options(options: type[Any]) -> dict[str, dict[str, Any]]:
    docs, defaults = field_docs(options), dataclasses.asdict(options())
    return {
        name: {"default": default, "help": docs.get(name, "")} for name, default in defaults.items()
    }
