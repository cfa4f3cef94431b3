"""The guards of a run, before and after, in words and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otx.cli.output import columns
from otx.runs.ceilings import candidates_text

SHOWN = {
    "retrieval": ("held-out retrieval", "{:.1%}"),
    "aer": ("word-alignment error (lower is better)", "{:.3f}"),
    "random_cosine": ("cosine of random pairs (1 = collapsed)", "{:.3f}"),
    "effective_rank": ("effective rank of the sentences", "{:.1f}"),
}


def guard_lines(record: Mapping[str, Any]) -> list[str]:
    """One line a guard of a finished run: its name, before -> after, and whether it is at its ceiling."""
    before, after = record["guards"]["before"], record["guards"]["after"]
    report = record.get("diagnostics", {}).get("report", {"candidates": {}, "ceilings": {}})
    rows = []
    for name, (text, form) in SHOWN.items():
        if name in before and name in after:
            if name == "retrieval" and report["candidates"]:
                text += f", {candidates_text(report['candidates'])}"
            change = f"{form.format(before[name])} -> {form.format(after[name])}"
            reason = report["ceilings"].get(name)
            rows.append((text, f"{change}  {reason}" if reason else change))
    return columns(rows).split("\n") if rows else []
