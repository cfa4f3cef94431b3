"""What of the encoder is trained, and the frozen encoders beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from otx.config.settings import Settings
from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.plugin_host.host import PluginHost
from otx.training import lora
from otx.training.auxiliary_encoders import AuxiliaryEncoders, freeze_all, frozen_copy
from otx.training.factories import open_encoder
from otx.training.freezing import freeze, recompute
from otx.training.weighted_objective import WeightedSum
from otx.types import Part


def prepare_model(
    settings: Settings, host: PluginHost, encoder: Encoder, objective: WeightedSum
) -> AuxiliaryEncoders:
    """Set up what of the encoder is trained, and the frozen encoders beside it."""
    needs = objective.needs
    teacher_model = settings.align.teacher
    sought = needs.links and settings.align.links is None
    untaught = needs.teacher and teacher_model is None
    initial = frozen_copy(encoder) if needs.reference or sought or untaught else None
    teacher = initial if untaught else None
    if needs.teacher and teacher_model is not None:
        teacher = open_encoder(teacher_model, host.registry, settings)
        teacher.module.to(next(encoder.module.parameters()).device)
        freeze_all(teacher)
    if settings.encoder.lora is not None:
        lora.add(encoder, settings.encoder.lora)
    freeze(encoder, settings.encoder.freeze)
    _refuse_idleness(settings.encoder.freeze, objective)
    momentum = frozen_copy(encoder) if needs.momentum else None
    if settings.encoder.recompute:
        recompute(encoder)
    return AuxiliaryEncoders(initial if needs.reference or sought else None, momentum, teacher)


def _refuse_idleness(frozen: Sequence[Part], objective: WeightedSum) -> None:
    """A frozen encoder trains nothing but what an objective owns, and the language-model head."""
    needs = objective.needs
    heads = needs.masked or needs.tlm or any(True for _ in objective.parameters())
    if set(frozen) == set(get_args(Part)) and not heads:
        raise UsageError(
            f"nothing is left to train: encoder.freeze is {', '.join(frozen)}, and "
            f"{', '.join(term.name for term in objective.wanted)} have no parameters of their own",
            "freeze less of the encoder",
        )
