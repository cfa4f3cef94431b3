"""Tell observers what happens to a run, and record what fails in them: the run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otx.config.settings import Settings
from otx.plugin_host.host import PluginHost
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit
from otx.training.components import effective_settings


class Observers:
    """The observers of one run.

    Args:
        host: The loaded plugins.
        run: The run; its record's ``observer_failures`` lists every failure.
    """

    def __init__(self, host: PluginHost, run: RunFolder) -> None:
        self._host, self._run = host, run
        self._started = False

    def started(self, settings: Settings, step: int) -> None:
        """Say that the run begins after ``step`` optimiser steps, with its effective settings."""
        self._started = True
        effective = effective_settings(settings, self._host.registry)
        self._notify("otx_run_started", settings=effective, step=step)

    def step_finished(self, row: Mapping[str, float]) -> None:
        """Say that an optimiser step was made, with its row of metrics.jsonl."""
        self._notify("otx_step_finished", step=int(row["step"]), metrics=row)

    def checkpoint_saved(self, path: Path) -> None:
        """Say that a checkpoint was written."""
        self._notify("otx_checkpoint_saved", checkpoint=path)

    def finished(self, status: str, reason: str | None = None) -> None:
        """Say that the run ended, to those who heard that it began."""
        if self._started:
            self._notify("otx_run_finished", status=status, reason=reason)

    def unit_finished(self, unit: EvalUnit) -> list[str]:
        """Say that an evaluation unit was computed and written; returns what failed."""
        return self._notify("otx_unit_finished", unit=asdict(unit))

    def _notify(self, hook: str, **arguments: Any) -> list[str]:
        failures = self._host.notify(hook, folder=self._run.path, **arguments)
        if failures:
            before = self._run.record.get("observer_failures", [])
            self._run.update(observer_failures=[*before, *failures])
        return failures
