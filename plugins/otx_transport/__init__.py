"""Objectives from optimal transport."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otx import hookimpl
from otx_transport.options import OBJECTIVES

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the objectives and the recipes of the paper they come from."""
    for name, (target, summary, options) in OBJECTIVES.items():
        registry.objective(name, target, summary, options)
    registry.recipe(
        "wordot",
        RECIPES / "wordot.toml",
        "Alqahtani et al. 2021 as GeomLoss's defaults compute it",
    )
    registry.recipe(
        "wordot-text",
        RECIPES / "wordot-text.toml",
        "Alqahtani et al. 2021 as its text says: Euclidean cost, epsilon .05",
    )
    registry.recipe(
        "subot",
        RECIPES / "subot.toml",
        "Alqahtani et al. 2021, SubOT: sub-words instead of words",
    )
    registry.recipe(
        "wordot-large",
        RECIPES / "wordot-large.toml",
        "Alqahtani et al. 2021, LargeWordOT: 14 languages, 8 pairs of each",
    )
    registry.recipe(
        "xlm-align",
        RECIPES / "xlm-align.toml",
        "Chi et al. 2021 (XLM-Align): labels from transport, with MLM and TLM",
    )
