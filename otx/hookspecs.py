"""The whole plugin contract: a plugin registers what it brings, and may watch runs.

A plugin is a module (or package) named by an entry point in group ``otx``. Its hooks carry ``@otx.hookimpl`` and may
leave out arguments they do not use. Registration names *targets* ("package.module:Name"); nothing heavy is imported
before a command needs it. An observer's exception is recorded in the run folder and the run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from otx.registry import Registry

hookspec = pluggy.HookspecMarker("otx")


@hookspec
def otx_register(registry: Registry) -> None:
    """Register objectives, encoders, corpora, tasks and recipes: see the methods of ``otx.registry.Registry``."""


@hookspec
def otx_run_started(folder: Path, settings: Mapping[str, object]) -> None:
    """A run has begun; ``settings`` are the effective ones."""


@hookspec
def otx_step_finished(folder: Path, step: int, metrics: Mapping[str, float]) -> None:
    """An optimiser step was made; ``metrics`` is the row written to metrics.jsonl."""


@hookspec
def otx_checkpoint_saved(folder: Path, checkpoint: Path) -> None:
    """A checkpoint was written and verified."""


@hookspec
def otx_run_finished(folder: Path, status: str) -> None:
    """A run ended: ``status`` is finished, failed or interrupted."""
