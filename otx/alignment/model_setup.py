"""Prepare the encoder for training: freezing, LoRA, and the frozen reference, teacher and moving-average encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.training import lora
from otx.training.auxiliary_encoders import AuxiliaryEncoders, freeze_all, frozen_copy
from otx.training.factories import open_encoder
from otx.training.freezing import freeze, recompute
from otx.training.session import Session
from otx.training.weighted_objective import WeightedSum
from otx.types import Part


def prepare_model(session: Session, encoder: Encoder, objective: WeightedSum) -> AuxiliaryEncoders:
    """Freeze parts of the encoder, add LoRA and activation checkpointing, and open the encoders that views read.

    Args:
        session: The run's settings, and the plugins that open the teacher.
        encoder: The encoder to train, changed in place.
        objective: The objectives, whose views say which auxiliary encoders are needed.

    Returns:
        The auxiliary encoders.

    Raises:
        UsageError: If nothing is left to train.
    """
    align, settings = session.settings.align, session.settings.encoder
    names = {name for view in objective.views for name in view.auxiliary(align)}
    reference = frozen_copy(encoder) if "reference" in names else None
    teacher = None
    if "teacher" in names:
        teacher = reference
        if align.teacher is not None:
            options = session.settings.option_tables
            teacher = open_encoder(align.teacher, session.registry, options)
            teacher.module.to(next(encoder.module.parameters()).device)
            freeze_all(teacher)
    if settings.lora is not None:
        lora.add(encoder, settings.lora)
    freeze(encoder, settings.freeze)
    _refuse_nothing_to_train(settings.freeze, objective)
    momentum = frozen_copy(encoder) if "momentum" in names else None
    if settings.recompute:
        recompute(encoder)
    return AuxiliaryEncoders(reference, momentum, teacher)


def _refuse_nothing_to_train(frozen: Sequence[Part], objective: WeightedSum) -> None:
    """Raise UsageError if the encoder is frozen and neither an objective nor the LM head has parameters."""
    heads = any(view.predicts_subwords for view in objective.views)
    heads = heads or any(True for _ in objective.parameters())
    if set(frozen) == set(get_args(Part)) and not heads:
        raise UsageError(
            f"nothing is left to train: encoder.freeze is {', '.join(frozen)}, and "
            f"{', '.join(term.name for term in objective.terms)} have no parameters of their own",
            "freeze less of the encoder",
        )
