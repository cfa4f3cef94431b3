"""Published objectives without transport, with the terms and controls that go with them.

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
        "l2": (
            "otx_baselines.l2:L2",
            "mean squared difference of linked words (Cao et al. 2020)",
            "otx_baselines.options:L2Options",
        ),
        "contrastive": (
            "otx_baselines.contrastive:Contrastive",
            "contrast of linked words with the batch's others (Wu & Dredze 2020)",
            "otx_baselines.options:ContrastiveOptions",
        ),
        "keep-close": (
            "otx_baselines.keep_close:KeepClose",
            "distance from the initial encoder; a term next to an objective",
            "otx_baselines.options:KeepCloseOptions",
        ),
        "mlm": (
            "otx_baselines.mlm:MaskedLanguageModelling",
            "masked language modelling on both sides, without alignment; a control",
            "otx_baselines.options:MlmOptions",
        ),
        "tlm": (
            "otx_baselines.tlm:TranslationLanguageModelling",
            "masked language modelling of both sides in one sequence (XLM)",
            "otx_baselines.options:TlmOptions",
        ),
        "realign": (
            "otx_baselines.realign:Realign",
            "contrast of linked words with all words of the batch (Gaschi et al. 2023)",
            "otx_baselines.options:RealignOptions",
        ),
        "linear": (
            "otx_baselines.linear:Linear",
            "squared difference of linked words after a learned linear map",
            "otx_baselines.options:LinearOptions",
        ),
        "self-training": (
            "otx_baselines.self_training:SelfTraining",
            "self-training on the encoder's own alignment (awesome-align)",
            "otx_baselines.options:SelfTrainingOptions",
        ),
        "sentence-contrastive": (
            "otx_baselines.sentence_contrastive:SentenceContrastive",
            "contrast of sentences with a margin (LaBSE) or a queue (InfoXLM)",
            "otx_baselines.options:SentenceContrastiveOptions",
        ),
        "distill": (
            "otx_baselines.distill:Distill",
            "distillation of a teacher's pivot vectors (Reimers & Gurevych 2020)",
            "otx_baselines.options:DistillOptions",
        ),
        "adversarial": (
            "otx_baselines.adversarial:Adversarial",
            "language discriminator with reversed gradient",
            "otx_baselines.options:AdversarialOptions",
        ),
        "interpolate": (
            "otx_baselines.interpolate:Interpolate",
            "distance of both sides from the initial encoder (SALT); a term",
            "otx_baselines.options:InterpolateOptions",
        ),
    }
)
"""Target, summary and target of the options of every objective, by name."""


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
