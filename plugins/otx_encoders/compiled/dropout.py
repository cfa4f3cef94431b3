"""Dropout that costs little on the CPU.

PyTorch draws 64 bits for each number, one after the other: 8 ns a number on processors for which MKL's generator is
not used, a sixth of a training step of ``mini``. Here the bits come from a hash, so that they are drawn in vectors,
and are drawn again for the gradient in place of being kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from otx_encoders.compiled.launch import launch
from otx_encoders.compiled.random_bits import LEVELS, draw_seed

THREADED = 2**17
"""Numbers from which more than one thread pays."""


class Dropout(nn.Dropout):
    """``torch.nn.Dropout`` with other random numbers on the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements in training mode.

        Args:
            input: A tensor of any shape.
        """
        return drop(input, self.p) if self.training else input


def drop(values: Tensor, probability: float) -> Tensor:
    """Set elements to 0 with a probability, and scale the others so that the mean stays.

    Args:
        values: A tensor of any shape. Other random numbers than PyTorch's are drawn in float32 on the CPU.
        probability: The probability, 0 to 1.

    Returns:
        The values; ``values`` itself if the probability is 0.
    """
    if probability == 0:
        return values
    if values.device.type != "cpu" or values.dtype != torch.float32 or probability == 1:
        return functional.dropout(values, probability)
    dropped: Tensor = _Drop.apply(values, probability)  # type: ignore[no-untyped-call]
    return dropped


def levels_and_scale(probability: float) -> tuple[int, float]:
    """Return how many of the ``LEVELS`` of the random bits are dropped, and the factor of what is kept.

    Args:
        probability: The probability, from 0 and below 1. It is rounded to a multiple of 2^-32.
    """
    threshold = min(round(probability * LEVELS), LEVELS - 1)
    return threshold, 1 / (1 - threshold / LEVELS)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, probability: float) -> Tensor:
        ctx.rule = draw_seed(), *levels_and_scale(probability)
        return _apply(values, ctx.rule)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _apply(gradients[0], ctx.rule), None


def _apply(values: Tensor, rule: tuple[tuple[int, int], int, float]) -> Tensor:
    from otx_encoders.compiled.dropout_kernel import drop_numbers

    source = values.detach().contiguous()
    result = torch.empty_like(source)
    count = source.numel()
    threads = torch.get_num_threads() if count >= THREADED else 1
    parts = np.linspace(0, count, threads + 1).astype(np.int64)
    arguments = source.view(-1).numpy(), *rule, parts, result.view(-1).numpy()
    launch(drop_numbers, threads, arguments)
    return result


def replace_dropout(model: nn.Module) -> None:
    """Replace every ``torch.nn.Dropout`` of a model.

    Args:
        model: The model, changed in place.
    """
    for owner in list(model.modules()):
        for name, part in list(owner.named_children()):
            if type(part) is nn.Dropout:
                setattr(owner, name, Dropout(part.p).train(part.training))
