"""Built-in objectives from optimal transport."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otx import hookimpl
from otx_transport import options

if TYPE_CHECKING:
    from otx.registry import Registry

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the objectives and the recipes of the paper they come from."""
    registry.objective(
        "sinkhorn",
        "otx_transport.sinkhorn:Sinkhorn",
        "entropic optimal transport between the two sides' words, debiased",
        options.SinkhornOptions,
    )
    registry.objective(
        "unbalanced",
        "otx_transport.unbalanced:Unbalanced",
        "the same with relaxed marginals: words may stay without a partner",
        options.UnbalancedOptions,
    )
    registry.objective(
        "annealed-divergence",
        "otx_transport.annealed:AnnealedDivergence",
        "GeomLoss's Sinkhorn divergence by its fixed annealing, for the published recipe",
        options.AnnealedOptions,
    )
    registry.recipe(
        "wordot",
        RECIPES / "wordot.toml",
        "Alqahtani et al. 2021 as GeomLoss's defaults compute it",
    )
    registry.recipe(
        "wordot-text",
        RECIPES / "wordot-text.toml",
        "Alqahtani et al. 2021 as its text says: euclidean, epsilon .05, to convergence",
    )
