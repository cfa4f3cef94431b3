"""Built-in objectives from optimal transport."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otx import hookimpl
from otx_transport import options

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

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
    registry.objective(
        "divergence",
        "otx_transport.divergence:Divergence",
        "the Sinkhorn divergence of all words of a batch, the paper's objective",
        options.DivergenceOptions,
    )
    registry.objective(
        "semi-relaxed",
        "otx_transport.semi_relaxed:SemiRelaxed",
        "every word of one side has a partner, words of the other may have none",
        options.SemiRelaxedOptions,
    )
    registry.objective(
        "partial",
        "otx_transport.partial:Partial",
        "entropic transport of a share of the mass",
        options.PartialOptions,
    )
    registry.objective(
        "null",
        "otx_transport.null:Null",
        "transport with a null word for what has no partner (OTTAWA)",
        options.NullOptions,
    )
    registry.objective(
        "fused-gromov",
        "otx_transport.fused_gromov:FusedGromov",
        "transport that keeps the structure within sentences too, an experiment",
        options.FusedGromovOptions,
    )
    registry.objective(
        "sliced",
        "otx_transport.sliced:Sliced",
        "transport on many lines, where it is sorting: an ablation",
        options.SlicedOptions,
    )
    registry.objective(
        "gaussian",
        "otx_transport.gaussian:Gaussian",
        "distance of the sides as Gaussians, plus MMD (MINOTAUR)",
        options.GaussianOptions,
    )
    registry.objective(
        "transport-label",
        "otx_transport.transport_label:TransportLabel",
        "the plan as a label for a softmax over the other sentence (XLM-Align)",
        options.TransportLabelOptions,
    )
    registry.objective(
        "transport-contrast",
        "otx_transport.transport_contrast:TransportContrast",
        "tell sentences apart by the cost of moving their words",
        options.TransportContrastOptions,
    )
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
