"""`otx show`: everything that a run's folder knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli.completion import runs
from otx.cli.console import columns, screen
from otx.cli.context import open_host
from otx.cli.flags import example
from otx.cli.format_metrics import diagnostic_lines, numbers_by
from otx.config.settings import load_settings
from otx.data.ledger import ledger_text
from otx.printable import shorten
from otx.runs.gradient_shares import share_lines
from otx.runs.losses import loss_text
from otx.runs.measures import measure_text

if TYPE_CHECKING:
    from otx.runs.results import EvalUnit

Rows = list[tuple[str, str]]
DEFAULT = "default"
LONGEST_CELL = 2000
"""Longest text of a row. The longest of ours are the versions of some twenty plugins."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "show",
        short_help="Show what a run did, and its results.",
        epilog=example("otx show first"),
    )(show)


def show(
    run: Annotated[str, typer.Argument(help="A run's name.", autocompletion=runs)],
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole record as JSON.")] = False,
) -> None:
    """Print what a run was made of, what it did, and every result that lies with it."""
    from otx.runs.folder import RunFolder
    from otx.runs.results import read_units

    settings = load_settings(sets=sets or [])
    found = RunFolder.open(Path(settings.runs.folder), run)
    units = read_units(found)
    if json:
        import dataclasses

        results = [dataclasses.asdict(unit) for unit in units]
        return screen.json({**found.record, "results": results})
    record = found.record
    rows = [("run", f"{found.name}, {record['status']}"), ("folder", str(found.path))]
    rows += [("created", record["created"][:19].replace("T", " ") + " UTC")]
    if record["kind"] == "align":
        rows += _made_of(record)
    screen.result(columns([(name, shorten(value, LONGEST_CELL)) for name, value in rows]))
    if "after" in record.get("guards", {}):
        screen.result("\n" + "\n".join(diagnostic_lines(record)))
        for line in record.get("verdict", []):
            screen.result(f"! {line}")
    if units:
        from otx.runs.footnotes import chance_notes

        screen.result("\n" + columns(_results(units, numbers_by(open_host(settings).registry))))
        for line in chance_notes((found.name, unit) for unit in units):
            screen.result(f"! {line}")
    kept = sorted(path.name for path in found.heads.glob("[!.]*"))
    if kept:
        screen.result(f"\nfine-tuned models in {found.heads}: {', '.join(kept)}")


def _made_of(record: Mapping[str, Any]) -> Rows:
    """What an alignment was made of; of its settings, those that were given."""
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


def _results(units: Sequence[EvalUnit], write: Callable[[EvalUnit], str]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("TASK", "LANGUAGE", "SEED", "N", "METRICS")]
    for unit in sorted(units, key=lambda own: (own.task, own.language, own.head_seed or 0)):
        head = "-" if unit.head_seed is None else str(unit.head_seed)
        seed = f"({unit.floor})" if unit.floor else head
        hits = unit.contamination.get("hits", 0)
        warned = (
            f"  ! {hits} of {unit.contamination['size']} texts are in the bitext" if hits else ""
        )
        rows.append((unit.task, unit.language, seed, str(unit.count), write(unit) + warned))
    return rows


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
