"""Names for shell completion, from the registry and the run folders; nothing heavy is imported.

Help imports this module, so it imports settings and plugins where it needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

    from otx.config.settings import load_settings
    from otx.runs.names import run_names

    names = run_names(Path(load_settings().runs.folder))
    return [name for name in names if name.startswith(incomplete)]


def _names(kind: Kind, incomplete: str) -> list[str]:
    from otx.config.settings import load_settings
    from otx.plugin_host.host import host

    entries = host(load_settings()).registry.entries(kind)
    return [entry.name for entry in entries if entry.name.startswith(incomplete)]
