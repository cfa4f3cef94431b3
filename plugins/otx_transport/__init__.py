"""Objectives from optimal transport."""

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
        "Sinkhorn divergence between the words of each pair",
        options.SinkhornOptions,
    )
    registry.objective(
        "unbalanced",
        "otx_transport.unbalanced:Unbalanced",
        "Sinkhorn divergence with relaxed marginals: words may have no partner",
        options.UnbalancedOptions,
    )
    registry.objective(
        "annealed-divergence",
        "otx_transport.annealed:AnnealedDivergence",
        "GeomLoss's Sinkhorn divergence by its fixed annealing, as published",
        options.AnnealedOptions,
    )
    registry.objective(
        "divergence",
        "otx_transport.divergence:Divergence",
        "Sinkhorn divergence of all words of a batch: the paper's objective",
        options.DivergenceOptions,
    )
    registry.objective(
        "semi-relaxed",
        "otx_transport.semi_relaxed:SemiRelaxed",
        "transport in which words of one side may have no partner",
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
        "transport with a null word for words without a partner (OTTAWA)",
        options.NullOptions,
    )
    registry.objective(
        "fused-gromov",
        "otx_transport.fused_gromov:FusedGromov",
        "transport that also keeps the structure of sentences; an experiment",
        options.FusedGromovOptions,
    )
    registry.objective(
        "sliced",
        "otx_transport.sliced:Sliced",
        "transport on many lines, where it is sorting; an ablation",
        options.SlicedOptions,
    )
    registry.objective(
        "gaussian",
        "otx_transport.gaussian:Gaussian",
        "distance of the two sides as Gaussians, plus MMD (MINOTAUR)",
        options.GaussianOptions,
    )
    registry.objective(
        "transport-label",
        "otx_transport.transport_label:TransportLabel",
        "transport plan as label of a softmax over the other side (XLM-Align)",
        options.TransportLabelOptions,
    )
    registry.objective(
        "transport-contrast",
        "otx_transport.transport_contrast:TransportContrast",
        "contrast of sentences by the cost of moving their words",
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
