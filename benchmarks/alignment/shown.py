"""The table of the benchmark of objectives, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLUMNS = "objective | lr | pairs/s | MB | time | gradient | retrieval | AER en-es | AER zh-en | random cosine | rank"
CELLS = (
    ("retrieval", 100, ".1f"),
    ("aer.enes", 1, ".3f"),
    ("aer.zhen", 1, ".3f"),
    ("random_cosine", 1, ".2f"),
    ("effective_rank", 1, ".0f"),
)


def shown(folder: Path, names: list[str], rates: Sequence[float]) -> str:
    """A row a system, at the best of the rates; the untouched encoder first, then by retrieval. ``-``: not known."""
    measured = [row for row in _all(folder / "measured") if row["rate"] in rates]
    timed = {row["name"]: row for row in _all(folder / "timed")}
    best: dict[str, dict[str, Any]] = {}
    for row in measured:
        if "select" in row and row["select"] > best.get(row["name"], {"select": -1.0})["select"]:
            best[row["name"]] = row
    untouched = json.loads((folder / "untouched.json").read_text())
    lines = [f"| {COLUMNS} |", "|---|" + "---:|" * COLUMNS.count("|")]
    lines.append(_line("untouched", untouched, {}, None))
    ordered = sorted(best, key=lambda name: -best[name]["retrieval"])
    for name in ordered:
        own = _own_gradient(folder, name, best[name]["rate"])
        lines.append(_line(name, best[name], timed.get(name, {}), own))
    missing = [name for name in names if name not in best]
    if missing:
        lines += ["", f"Not aligned: {', '.join(missing)}."]
    failed = [row for row in measured if "failed" in row]
    lines += [f"\n{row['name']} at {row['rate']:g}: {' '.join(row['failed'])}" for row in failed]
    return "\n".join(lines)


def slug(name: str) -> str:
    """A system's name as part of a file's."""
    return name.replace(" ", "-").replace("*", "x")


def _all(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*"))]


def _own_gradient(folder: Path, name: str, rate: float) -> float | None:
    """The objective's share of the gradient's norm, the rest being the ``keep-close`` beside it; None alone."""
    run = folder / "runs" / f"{slug(name)}-{rate:g}" / "run.json"
    shares = json.loads(run.read_text())["gradient_shares"] if run.exists() else {}
    own = "sinkhorn" if name == "wrong pairs" else name.rpartition("*")[2]
    return shares.get(own) if len(shares) > 1 else None


def _line(name: str, row: dict[str, Any], time: dict[str, Any], own: float | None) -> str:
    """A row of the table; ``own``: the objective's share of the gradient."""
    shown = [
        (f"{row['rate']:g}" if "rate" in row else None),
        (f"{time['rate']:.0f}" if time else None),
        (f"{time['megabytes']:.0f}" if time else None),
        (f"{time['share']:.0%}" if time else None),
        (f"{own:.0%}" if own is not None else None),
    ]
    cells = [f"{row[key] * factor:{form}}" for key, factor, form in CELLS]
    return "| " + " | ".join([name, *(text or "-" for text in shown), *cells]) + " |"
