"""Published objectives without transport, with the terms and controls that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otx import hookimpl
from otx_baselines import options

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the objectives and the recipes of the papers they come from."""
    registry.objective(
        "l2",
        "otx_baselines.l2:L2",
        "mean squared difference of linked words (Cao et al. 2020)",
        options.L2Options,
    )
    registry.objective(
        "contrastive",
        "otx_baselines.contrastive:Contrastive",
        "contrast of linked words with the batch's others (Wu & Dredze 2020)",
        options.ContrastiveOptions,
    )
    registry.objective(
        "keep-close",
        "otx_baselines.keep_close:KeepClose",
        "distance from the initial encoder; a term next to an objective",
        options.KeepCloseOptions,
    )
    registry.objective(
        "mlm",
        "otx_baselines.mlm:MaskedLanguageModelling",
        "masked language modelling on both sides, without alignment; a control",
        options.MlmOptions,
    )
    registry.objective(
        "tlm",
        "otx_baselines.tlm:TranslationLanguageModelling",
        "masked language modelling of both sides in one sequence (XLM)",
        options.TlmOptions,
    )
    registry.objective(
        "realign",
        "otx_baselines.realign:Realign",
        "contrast of linked words with all words of the batch (Gaschi et al. 2023)",
        options.RealignOptions,
    )
    registry.objective(
        "linear",
        "otx_baselines.linear:Linear",
        "squared difference of linked words after a learned linear map",
        options.LinearOptions,
    )
    registry.objective(
        "self-training",
        "otx_baselines.self_training:SelfTraining",
        "self-training on the encoder's own alignment (awesome-align)",
        options.SelfTrainingOptions,
    )
    registry.objective(
        "sentence-contrastive",
        "otx_baselines.sentence_contrastive:SentenceContrastive",
        "contrast of sentences with a margin (LaBSE) or a queue (InfoXLM)",
        options.SentenceContrastiveOptions,
    )
    registry.objective(
        "distill",
        "otx_baselines.distill:Distill",
        "distillation of a teacher's pivot vectors (Reimers & Gurevych 2020)",
        options.DistillOptions,
    )
    registry.objective(
        "adversarial",
        "otx_baselines.adversarial:Adversarial",
        "language discriminator with reversed gradient",
        options.AdversarialOptions,
    )
    registry.objective(
        "interpolate",
        "otx_baselines.interpolate:Interpolate",
        "distance of both sides from the initial encoder (SALT); a term",
        options.InterpolateOptions,
    )
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
