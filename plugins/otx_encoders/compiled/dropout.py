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
from torch.nn import functional

from otx_encoders.compiled.launch import launch, thread_count

LEVELS = 2**32
"""Number of values of the random bits."""
THREADED = 2**17
"""Numbers from which more than one thread pays."""
Rule = tuple[tuple[int, int], int, float]
"""Seed, threshold and scale of a draw."""


class Dropout(nn.Dropout):
    """``torch.nn.Dropout`` with other random numbers in float32 on the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements in training mode.

        Args:
            input: A tensor of any shape.
        """
        return drop(input, self.p) if self.training else input


def drop(values: Tensor, probability: float) -> Tensor:
    """Set elements to 0 with a probability, and scale the others so that the mean stays.

    Args:
        values: A tensor of any shape. In float32 on the CPU, the random numbers are not PyTorch's.
        probability: The probability, 0 to 1.

    Returns:
        The values; ``values`` itself if the probability is 0.
    """
    if probability == 0:
        return values
    if values.device.type != "cpu" or values.dtype != torch.float32 or probability == 1:
        return functional.dropout(values, probability)
    dropped: Tensor = _Drop.apply(values, draw_rule(probability))  # type: ignore[no-untyped-call]
    return dropped


def draw_rule(probability: float) -> Rule:
    """Draw which numbers are dropped, from PyTorch's generator.

    Args:
        probability: The probability, from 0 and below 1. It is rounded to a multiple of 2^-32.

    Returns:
        Two numbers of 32 bits that seed the random bits, the value below which bits drop a number, and the factor of
        the numbers that are kept.
    """
    first, second = torch.randint(LEVELS, (2,), device="cpu").tolist()
    threshold = min(round(probability * LEVELS), LEVELS - 1)
    return (first, second), threshold, 1 / (1 - threshold / LEVELS)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, rule: Rule) -> Tensor:
        from otx_encoders.compiled.dropout_kernel import drop_numbers

        ctx.rule = rule
        numbers = values.detach().contiguous()
        result = torch.empty_like(numbers)
        count = numbers.numel()
        threads = thread_count(count, THREADED)
        parts = np.linspace(0, count, threads + 1).astype(np.int64)
        arguments = numbers.view(-1).numpy(), *rule, parts, result.view(-1).numpy()
        launch(drop_numbers, parts, arguments)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Drop.apply(gradients[0], ctx.rule), None  # type: ignore[no-untyped-call]


def replace_dropout(model: nn.Module) -> None:
    """Replace every ``torch.nn.Dropout`` of a model.

    Args:
        model: The model, changed in place.
    """
    for owner in list(model.modules()):
        for name, part in list(owner.named_children()):
            if type(part) is nn.Dropout:
                setattr(owner, name, Dropout(part.p).train(part.training))
