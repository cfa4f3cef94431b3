"""The tasks that ship with otx: those of XTREME, and probes of the encoder.

Each family has a folder. Its ``options`` module describes and registers the family's tasks without importing torch:
to add a task, write its class in a file of the family and add its ``TaskInfo``, options and registration there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import otx_tasks.classification.options as classification
import otx_tasks.probes.options as probes
import otx_tasks.qa.options as qa
import otx_tasks.tagging.options as tagging
from otx import hookimpl

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
