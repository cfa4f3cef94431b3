"""Names for shell completion, from the registry and the run folders; nothing heavy is imported."""

from __future__ import annotations

from otx.config.settings import load_settings
from otx.plugin_host.host import host
from otx.plugin_host.registry import Kind


def objectives(incomplete: str) -> list[str]:
    """Return the objectives whose name begins with ``incomplete``.

    Args:
        incomplete: Beginning of the name.
    """
    return _names("objective", incomplete)


def tasks(incomplete: str) -> list[str]:
    """Return the tasks whose name begins with ``incomplete``.

    Args:
        incomplete: Beginning of the name.
    """
    return _names("task", incomplete)


def runs(incomplete: str) -> list[str]:
    """Return the runs whose name begins with ``incomplete``.

    Args:
        incomplete: Beginning of the name.
    """
    from pathlib import Path

    from otx.runs.folder import run_names

    names = run_names(Path(load_settings().runs.folder))
    return [name for name in names if name.startswith(incomplete)]


def _names(kind: Kind, incomplete: str) -> list[str]:
    entries = host(load_settings()).registry.entries(kind)
    return [entry.name for entry in entries if entry.name.startswith(incomplete)]
