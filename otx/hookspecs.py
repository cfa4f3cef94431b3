"""The whole plugin contract: a plugin registers what it brings, and may watch runs.

A plugin is a module (or package) named by an entry point in group ``otx``. Its hooks carry ``@otx.hookimpl`` and may
leave out arguments they do not use. Registration names *targets* ("package.module:Name"); nothing heavy is imported
before a command needs it. An observer's exception is recorded in the run folder and the run goes on; what it is given
is read-only. A hook that only newer versions of otx have is marked ``@otx.hookimpl(optionalhook=True)``.
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
    """Register objectives, encoders, corpora, tasks and recipes: see ``otx.plugin_host.registry.Registry``."""


@hookspec
def otx_run_started(folder: Path, settings: Mapping[str, object], step: int) -> None:
    """A run is about to make its first step, or goes on after ``step`` steps where it was interrupted (0: a new run).

    ``settings`` are the effective ones by table: those of otx, and every option of the encoder, the objectives and the
    corpora, defaults included. An observer that writes a file drops its rows beyond ``step``: these steps come again.
    """


@hookspec
def otx_step_finished(folder: Path, step: int, metrics: Mapping[str, float]) -> None:
    """An optimiser step was made; ``metrics`` is the row written to metrics.jsonl."""


@hookspec
def otx_checkpoint_saved(folder: Path, checkpoint: Path) -> None:
    """A checkpoint was written and verified."""


@hookspec
def otx_run_finished(folder: Path, status: str, reason: str | None) -> None:
    """A run that had started ended: ``status`` is finished, failed or interrupted; ``reason`` is that of a failure."""


@hookspec
def otx_unit_finished(folder: Path, unit: Mapping[str, object]) -> None:
    """An evaluation unit (task, language, seed) was computed and written to the run ``folder``.

    ``unit`` is the content of its file: task, language, metrics, digests, options, versions. Units that are known
    already are not computed, and not announced, again.
    """
