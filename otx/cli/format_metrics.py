"""Results and diagnostics as text: metrics in one line, shares as percentages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from otx.cli.console import columns
from otx.runs.ceilings import candidates_text
from otx.runs.layout import number
from otx.runs.measures import MEASURES, measure_text

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry
    from otx.runs.results import EvalUnit


def numbers_by(registry: Registry) -> Callable[[EvalUnit], str]:
    """Return a function that formats a unit's metrics: ``accuracy 71.2  hubness 4.03``.

    Args:
        registry: States which metrics of a task are shares; those of an unknown task are taken for shares.
    """
    plain = {
        (entry.name, metric.name)
        for entry in registry.entries("task")
        if entry.info is not None
        for metric in entry.info.metrics
        if not metric.percent
    }

    def write(unit: EvalUnit) -> str:
        return "  ".join(
            f"{name} {number(value, (unit.task, name) not in plain)}"
            for name, value in unit.metrics.items()
        )

    return write


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
