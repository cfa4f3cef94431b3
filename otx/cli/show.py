"""`otx show`: print what the folder of a run records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from otx.cli.console import columns, screen
from otx.cli.context import open_host
from otx.cli.flags import Json, RunName, Sets, example
from otx.cli.format_metrics import diagnostic_lines
from otx.config.settings import load_settings
from otx.data.ledger import ledger_text
from otx.printable import shorten
from otx.runs.gradient_shares import share_lines
from otx.runs.losses import loss_text
from otx.runs.measures import measure_text
from otx.runs.result_rows import result_rows

Rows = list[tuple[str, str]]
"""Label and text of each row."""
DEFAULT = "default"
"""Origin of a setting that nobody gave."""
LONGEST_CELL = 2000
"""Longest text of a row, in characters. The longest regular one lists the versions of some twenty plugins."""


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "show",
        epilog=example("otx show first"),
    )(show)


def show(run: RunName, sets: Sets = None, json: Json = False) -> None:
    """Show a run: data, settings, training, diagnostics and results.

    With --json, print the whole record and every result.
    """
    from otx.runs.folder import RunFolder
    from otx.runs.results import read_units

    settings = load_settings(sets=sets or [])
    folder = RunFolder.open(Path(settings.runs.folder), run)
    units = read_units(folder)
    if json:
        import dataclasses

        results = [dataclasses.asdict(unit) for unit in units]
        return screen.json({**folder.record, "results": results})
    record = folder.record
    rows = [("run", f"{folder.name}, {record['status']}"), ("folder", str(folder.path))]
    rows += [("created", record["created"][:19].replace("T", " ") + " UTC")]
    if record["kind"] == "align":
        rows += _alignment(record)
    screen.result(columns([(name, shorten(value, LONGEST_CELL)) for name, value in rows]))
    if "after" in record.get("guards", {}):
        screen.result("\n" + "\n".join(diagnostic_lines(record)))
        for line in record.get("verdict", []):
            screen.result(f"! {line}")
    if units:
        from otx.runs.footnotes import chance_notes

        units.sort(key=lambda unit: (unit.task, unit.language, unit.head_seed or 0))
        named = [(folder.name, unit) for unit in units]
        registry = open_host(settings).registry
        screen.result("\n" + columns(result_rows(named, registry, show_runs=False)))
        for line in chance_notes(named):
            screen.result(f"! {line}")
    kept = sorted(path.name for path in folder.heads.glob("[!.]*"))
    if kept:
        screen.result(f"\nfine-tuned models in {folder.heads}: {', '.join(kept)}")


def _alignment(record: Mapping[str, Any]) -> Rows:
    """Describe the data, settings and training of an alignment; of its settings, those that were given."""
    from otx.runs.footnotes import inexact_lines
    from otx.runs.plugin_notes import plugins_in_words

    terms = " + ".join(f"{amount}*{name}" for name, amount in record.get("terms", {}).items())
    rows = [
        ("model", f"{record.get('model', '-')} ({record.get('model_digest_before', '-')[:12]})"),
        ("objective", terms or ", ".join(record.get("objectives", []))),
        ("seed", str(record.get("alignment_seed", "-"))),
    ]
    if record.get("error"):
        rows.append(("error", record["error"]))
    for corpus in record.get("corpora", []):
        rows.append(
            (
                f"{corpus['source']}-{corpus['pivot']}",
                f"{corpus['name']}: {ledger_text(corpus)}",
            )
        )
    rows += _training(record)
    rows += [("not exact", line) for line in inexact_lines(record)]
    settings, origins = record.get("settings", {}), record.get("origins", {})
    for key, origin in sorted(origins.items()):
        section, _, name = key.partition(".")
        if origin != DEFAULT and name in settings.get(section, {}):
            rows.append((key, f"{_plain(settings[section][name])}  ({origin})"))
    versions = record.get("versions", {})
    if record.get("plugins"):
        rows.append(("plugins", plugins_in_words(record)))
    rows += [("plugins changed", line) for line in record.get("plugin_changes", [])]
    rows.append(("versions", ", ".join(f"{name} {value}" for name, value in versions.items())))
    return rows


def _training(record: Mapping[str, Any]) -> Rows:
    rows = []
    if {"steps", "lr", "precision", "trainable_parameters"} <= record.keys():
        rows.append(
            (
                "steps",
                f"{record['steps']:,} at a peak rate of {record['lr']:g}, {record['precision']}, "
                f"{record['trainable_parameters']:,} parameters",
            )
        )
    if record.get("loss"):
        rows.append(("loss", loss_text(record["loss"], record.get("steps", 0))))
    if record.get("best"):
        best = record["best"]
        rows.append(
            (
                "kept",
                f"step {best['step']:,}: {best['metric']} {measure_text(best['metric'], best['value'])}",
            )
        )
    lines = share_lines(record.get("gradient_shares") or {}, record.get("objectives", []))
    rows += [("gradient", line) for line in lines]
    if record.get("problems"):
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in record["problems"].items())
        rows.append(("problems", f"{kinds} (problems.jsonl)"))
    return rows


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
