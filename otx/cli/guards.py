"""The guards of a run, before and after, in words and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otx.cli.console import columns
from otx.runs.ceilings import candidates_text
from otx.runs.measures import MEASURES, measure_text


def guard_lines(record: Mapping[str, Any]) -> list[str]:
    """One line a guard of a finished run: its name, before -> after, and whether it is at its ceiling."""
    before, after = record["guards"]["before"], record["guards"]["after"]
    report = record.get("diagnostics", {}).get("report", {"candidates": {}, "ceilings": {}})
    rows = []
    for name, measure in MEASURES.items():
        if name in before and name in after:
            title = measure.title
            if name == "retrieval" and report["candidates"]:
                title += f", {candidates_text(report['candidates'])}"
            change = f"{measure_text(name, before[name])} -> {measure_text(name, after[name])}"
            reason = report["ceilings"].get(name)
            rows.append((title, f"{change}  {reason}" if reason else change))
    return columns(rows).split("\n") if rows else []
