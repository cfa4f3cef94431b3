"""Published objectives without transport, with the terms and controls that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otx import hookimpl
from otx_baselines.options import OBJECTIVES

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the objectives and the recipes of the papers they come from."""
    for name, (target, summary, options) in OBJECTIVES.items():
        registry.objective(name, target, summary, options)
    registry.recipe(
        "l2-cao",
        RECIPES / "l2-cao.toml",
        "Cao et al. 2020: squared distance of linked words, English kept close",
    )
    registry.recipe(
        "contrastive-strong",
        RECIPES / "contrastive-strong.toml",
        "Wu & Dredze 2020: strong contrastive alignment, weights kept close",
    )
    registry.recipe(
        "alignfreeze",
        RECIPES / "alignfreeze.toml",
        "Bakos et al. 2025 (AlignFreeze): realignment, lower half frozen",
    )
    registry.recipe(
        "awesome-align",
        RECIPES / "awesome-align.toml",
        "Dou & Neubig 2021 (awesome-align): self-training and TLM",
    )
    registry.recipe(
        "contrastive-weak",
        RECIPES / "contrastive-weak.toml",
        "Wu & Dredze 2020: weak contrastive alignment, weights kept close",
    )
    registry.recipe(
        "distillation",
        RECIPES / "distillation.toml",
        "Reimers & Gurevych 2020: both sides learn a teacher's English vectors",
    )
    registry.recipe(
        "infoxlm",
        RECIPES / "infoxlm.toml",
        "Chi et al. 2021 (InfoXLM): momentum contrast of sentences, MLM, TLM",
    )
    registry.recipe(
        "labse",
        RECIPES / "labse.toml",
        "Feng et al. 2022 (LaBSE): additive-margin softmax over sentences",
    )
    registry.recipe(
        "omnisonar-token",
        RECIPES / "omnisonar-token.toml",
        "OmniSONAR-Token, after SALT: self-training and interpolation",
    )
    registry.recipe(
        "realign",
        RECIPES / "realign.toml",
        "Gaschi et al. 2023: contrastive realignment of linked words",
    )
