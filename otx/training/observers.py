"""Notify observers of a run, and record their failures, which do not stop the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otx.plugin_host.host import PluginHost
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit


class Observers:
    """The observers of one run.

    Args:
        host: The loaded plugins.
        run: The run; ``observer_failures`` of its record lists every failure.
    """

    def __init__(self, host: PluginHost, run: RunFolder) -> None:
        self._host, self._run = host, run
        self._started = False

    def started(self, settings: Mapping[str, Mapping[str, Any]], step: int) -> None:
        """Notify that the run starts.

        Args:
            settings: The effective settings by table and key, as ``effective_settings`` returns them.
            step: Number of optimiser steps that are done; 0 for a new run.
        """
        self._started = True
        self._notify("otx_run_started", settings=settings, step=step)

    def step_finished(self, row: Mapping[str, float]) -> None:
        """Notify that an optimiser step was made; ``row`` is its row of metrics.jsonl.

        Args:
            row: Numbers of the step by name, ``step`` among them.
        """
        self._notify("otx_step_finished", step=int(row["step"]), metrics=row)

    def checkpoint_saved(self, path: Path) -> None:
        """Notify that a checkpoint was written to the folder ``path``.

        Args:
            path: The checkpoint's folder.
        """
        self._notify("otx_checkpoint_saved", checkpoint=path)

    def finished(self, status: str, reason: str | None = None) -> None:
        """Notify that the run ended, if ``started`` was called.

        Args:
            status: ``finished``, ``failed`` or ``interrupted``.
            reason: Reason of a failure.
        """
        if self._started:
            self._notify("otx_run_finished", status=status, reason=reason)

    def unit_finished(self, unit: EvalUnit) -> list[str]:
        """Notify that an evaluation unit was computed and written.

        Args:
            unit: The unit.

        Returns:
            One line for each observer that failed.
        """
        return self._notify("otx_unit_finished", unit=asdict(unit))

    def _notify(self, hook: str, **arguments: Any) -> list[str]:
        failures = self._host.notify(hook, folder=self._run.path, **arguments)
        if failures:
            before = self._run.record.get("observer_failures", [])
            self._run.update(observer_failures=[*before, *failures])
        return failures
