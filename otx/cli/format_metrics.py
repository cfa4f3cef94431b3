"""The metrics of a result in one line, shares as percentages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from otx.runs.layout import number

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry
    from otx.runs.results import EvalUnit


def numbers_by(registry: Registry) -> Callable[[EvalUnit], str]:
    """What writes a unit's metrics: ``accuracy 71.2  hubness 4.03``; those of an unknown task as shares."""
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
