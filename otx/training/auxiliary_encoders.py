"""The encoders beside the one that is trained: as it was, as a moving average of itself, and a teacher."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from otx.interfaces import Encoder


@dataclass(frozen=True, slots=True)
class AuxiliaryEncoders:
    """Encoders that are read without gradients, each there only where a view needs it.

    ``reference``: the initial one. ``momentum``: follows the trained one. ``teacher``: any, often the initial one.
    """

    reference: Encoder | None = None
    momentum: Encoder | None = None
    teacher: Encoder | None = None


def frozen_copy(encoder: Encoder) -> Encoder:
    """The encoder as it is now, in evaluation mode, without gradients."""
    twin = copy.deepcopy(encoder)
    freeze_all(twin)
    return twin


def freeze_all(encoder: Encoder) -> None:
    """Put an encoder into evaluation mode, without gradients."""
    encoder.module.eval().requires_grad_(False)


@torch.no_grad()
def ema_update(momentum: Encoder, encoder: Encoder, inertia: float) -> None:
    """``momentum = inertia * momentum + (1 - inertia) * encoder``, for every parameter (He et al. 2020, MoCo)."""
    pairs = zip(momentum.module.parameters(), encoder.module.parameters(), strict=True)
    for mean, now in pairs:
        mean.lerp_(now.detach(), 1 - inertia)
