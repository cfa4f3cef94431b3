"""Objectives from optimal transport.

Nothing in this file imports torch or the options. To add an objective, write its file and its options in
``options.py``, and name both in ``OBJECTIVES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from otx import hookimpl

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RECIPES = Path(__file__).parent / "recipes"

OBJECTIVES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "sinkhorn": (
            "otx_transport.sinkhorn:Sinkhorn",
            "Sinkhorn divergence between the words of each pair",
            "otx_transport.options:SinkhornOptions",
        ),
        "unbalanced": (
            "otx_transport.unbalanced:Unbalanced",
            "Sinkhorn divergence with relaxed marginals: words may have no partner",
            "otx_transport.options:UnbalancedOptions",
        ),
        "annealed-divergence": (
            "otx_transport.annealed:AnnealedDivergence",
            "GeomLoss's Sinkhorn divergence by its fixed annealing, as published",
            "otx_transport.options:AnnealedOptions",
        ),
        "divergence": (
            "otx_transport.divergence:Divergence",
            "Sinkhorn divergence of all words of a batch: the paper's objective",
            "otx_transport.options:DivergenceOptions",
        ),
        "semi-relaxed": (
            "otx_transport.semi_relaxed:SemiRelaxed",
            "transport in which words of one side may have no partner",
            "otx_transport.options:SemiRelaxedOptions",
        ),
        "partial": (
            "otx_transport.partial:Partial",
            "entropic transport of a share of the mass",
            "otx_transport.options:PartialOptions",
        ),
        "null": (
            "otx_transport.null:Null",
            "transport with a null word for words without a partner (OTTAWA)",
            "otx_transport.options:NullOptions",
        ),
        "fused-gromov": (
            "otx_transport.fused_gromov:FusedGromov",
            "transport that also keeps the structure of sentences; an experiment",
            "otx_transport.options:FusedGromovOptions",
        ),
        "sliced": (
            "otx_transport.sliced:Sliced",
            "transport on many lines, where it is sorting; an ablation",
            "otx_transport.options:SlicedOptions",
        ),
        "gaussian": (
            "otx_transport.gaussian:Gaussian",
            "distance of the two sides as Gaussians, plus MMD (MINOTAUR)",
            "otx_transport.options:GaussianOptions",
        ),
        "transport-label": (
            "otx_transport.transport_label:TransportLabel",
            "transport plan as label of a softmax over the other side (XLM-Align)",
            "otx_transport.options:TransportLabelOptions",
        ),
        "transport-contrast": (
            "otx_transport.transport_contrast:TransportContrast",
            "contrast of sentences by the cost of moving their words",
            "otx_transport.options:TransportContrastOptions",
        ),
    }
)
"""Target, summary and target of the options of every objective, by name."""


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
