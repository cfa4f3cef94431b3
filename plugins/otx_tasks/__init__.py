"""The tasks that ship with otx: those of XTREME, and probes of the encoder.

Each family has a package, which describes and registers the family's tasks without importing torch or their options.
To add a task, write its class in a file of the package, its options in ``options.py``, and add its ``TaskInfo`` and
registration to ``__init__.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otx import hookimpl
from otx_tasks import classification, probes, qa, tagging

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the tasks, and the recipe of small sizes.

    Args:
        registry: Receives the names.
    """
    for family in (probes, classification, qa, tagging):
        family.register(registry)
    registry.recipe(
        name="quick",
        path=RECIPES / "quick.toml",
        summary="Small sizes for a quick look: otx eval --quick",
    )
