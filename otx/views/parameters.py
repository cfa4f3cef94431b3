"""Current and initial parameters of the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from otx.interfaces import View
from otx.views.context import FakeBatch, ViewContext, ViewMaker

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Parameters(View["Sequence[tuple[Tensor, Tensor]]"]):
    """(current, initial) tensors of the encoder, in a fixed order; initial ones never need gradients."""

    label: ClassVar[str] = "parameters"
    summary: ClassVar[str] = "the encoder's parameters, current and initial"
    copied_in_checks: ClassVar[bool] = False
    of_pairs: ClassVar[bool] = False

    @classmethod
    def maker(
        cls, views: Sequence[Self], context: ViewContext
    ) -> ViewMaker[Sequence[tuple[Tensor, Tensor]]]:
        """Copy the parameters as they are now."""
        module = context.encoder.module
        initial = [parameter.detach().clone() for parameter in module.parameters()]
        return ViewMaker(lambda batch, states: list(zip(module.parameters(), initial, strict=True)))

    @classmethod
    def fake(cls, views: Sequence[Self], batch: FakeBatch) -> Sequence[tuple[Tensor, Tensor]]:
        """Return a matrix and a vector, each moved a little."""
        import torch

        shapes = [(batch.dimension, batch.dimension), (batch.dimension,)]
        initial = [torch.randn(shape, generator=batch.random) for shape in shapes]
        moved = [p + 0.1 * torch.randn(p.shape, generator=batch.random) for p in initial]
        return [(now.requires_grad_(), p) for now, p in zip(moved, initial, strict=True)]

    @classmethod
    def select(
        cls, value: Sequence[tuple[Tensor, Tensor]], rows: slice, pairs: int
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """Return all parameters, which belong to no pair."""
        return value

    @classmethod
    def join(
        cls, parts: Sequence[Sequence[tuple[Tensor, Tensor]]], pairs: Sequence[int]
    ) -> Sequence[tuple[Tensor, Tensor]]:
        """Return all parameters, which are the same in every part."""
        return parts[0]
