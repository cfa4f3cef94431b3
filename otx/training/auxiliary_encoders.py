"""Frozen encoders that views read: the initial encoder, a moving average of the trained one, and a teacher."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from otx.interfaces import Encoder
from otx.training.sharded_tensors import own_part


@dataclass(frozen=True, slots=True)
class AuxiliaryEncoders:
    """Encoders that are read without gradients; None where no view reads one.

    Attributes:
        reference: The initial encoder.
        momentum: The exponential moving average of the trained encoder.
        teacher: The teacher; the reference itself unless ``align.teacher`` names another encoder.
    """

    reference: Encoder | None = None
    momentum: Encoder | None = None
    teacher: Encoder | None = None

    def by_name(self) -> dict[str, Encoder]:
        """Return the encoders that are there, by the names that views use."""
        encoders = {
            "reference": self.reference,
            "momentum": self.momentum,
            "teacher": self.teacher,
        }
        return {name: encoder for name, encoder in encoders.items() if encoder is not None}


def frozen_copy(encoder: Encoder) -> Encoder:
    """Copy an encoder as it is now, in evaluation mode and without gradients.

    Args:
        encoder: The encoder.

    Returns:
        The copy.
    """
    twin = copy.deepcopy(encoder)
    freeze_all(twin)
    return twin


def freeze_all(encoder: Encoder) -> None:
    """Put an encoder into evaluation mode, without gradients.

    Args:
        encoder: The encoder.
    """
    encoder.module.eval().requires_grad_(False)


@torch.no_grad()
def ema_update(momentum: Encoder, encoder: Encoder, decay: float) -> None:
    """Update a moving average: ``momentum = decay * momentum + (1 - decay) * encoder``, for every parameter.

    Args:
        momentum: The moving average, changed in place.
        encoder: The encoder that it follows.
        decay: Weight of the old value, 0 to 1.

    References:
        He et al. (2020), "Momentum Contrast for Unsupervised Visual Representation Learning" (MoCo).
        https://arxiv.org/abs/1911.05722
    """
    pairs = zip(momentum.module.parameters(), encoder.module.parameters(), strict=True)
    for mean, now in pairs:
        own_part(mean).lerp_(own_part(now.detach()), 1 - decay)
