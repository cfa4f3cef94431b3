"""The hooks of plugins: one to register names, and five to observe runs.

A plugin is a module or package that an entry point in the group ``otx`` names. Its hooks are marked ``@otx.hookimpl``
and may leave out arguments that they do not use. Registration names *targets* (``package.module:Name``), and nothing
heavy is imported before a command needs it. The arguments of observers are read-only. An observer's exception is
recorded in the run folder, and the run continues. Mark a hook that only newer versions of otx have with
``@otx.hookimpl(optionalhook=True)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

hookspec = pluggy.HookspecMarker("otx")


@hookspec
def otx_register(registry: Registry) -> None:
    """Register objectives, encoders, corpora, tasks and recipes.

    Args:
        registry: Its methods register names: see ``otx.plugin_host.registry.Registry``.
    """


@hookspec
def otx_run_started(folder: Path, settings: Mapping[str, object], step: int) -> None:
    """Observe that a run is about to make its first step, or to resume.

    Args:
        folder: The run's folder.
        settings: The effective settings by table: otx's own, and every option of the encoder, the objectives and the
            corpora, defaults included.
        step: Number of optimiser steps that are done; 0 for a new run. An observer that writes a file must drop its
            rows beyond this step, because these steps are made again.
    """


@hookspec
def otx_step_finished(folder: Path, step: int, metrics: Mapping[str, float]) -> None:
    """Observe an optimiser step.

    Args:
        folder: The run's folder.
        step: Number of optimiser steps that are done.
        metrics: The row that was written to metrics.jsonl.
    """


@hookspec
def otx_checkpoint_saved(folder: Path, checkpoint: Path) -> None:
    """Observe that a checkpoint was written.

    Args:
        folder: The run's folder.
        checkpoint: The checkpoint's folder.
    """


@hookspec
def otx_run_finished(folder: Path, status: str, reason: str | None) -> None:
    """Observe the end of a run that had started.

    Args:
        folder: The run's folder.
        status: ``finished``, ``failed`` or ``interrupted``.
        reason: Reason of a failure; otherwise None.
    """


@hookspec
def otx_unit_finished(folder: Path, unit: Mapping[str, object]) -> None:
    """Observe that an evaluation unit (task, language, seed) was computed and written.

    Units that exist already are not computed again, and not announced again.

    Args:
        folder: The run's folder.
        unit: Content of the unit's file: task, language, metrics, digests, options, versions.
    """
