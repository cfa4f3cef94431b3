"""Results and diagnostics as text: metrics in one line, shares as percentages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from otx.cli.console import columns
from otx.runs.ceilings import candidates_text
from otx.runs.measures import MEASURES, measure_text

if TYPE_CHECKING:
    pass


def diagnostic_lines(record: Mapping[str, Any]) -> list[str]:
    """Return one line per diagnostic of a finished run: its name, before -> after, and if it is at its ceiling.

    Args:
        record: The run's record.

    Example:
        >>> record = {"guards": {"before": {"retrieval": 0.4}, "after": {"retrieval": 0.55}}}
        >>> diagnostic_lines(record)
        ['held-out retrieval  40.0% -> 55.0%']
    """
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
