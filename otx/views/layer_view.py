"""The common part of views that are hidden states of both sides: their layers, by ``restrict`` and ``pad``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from otx.interfaces import View
from otx.types import Encoded, Sides
from otx.views.context import (
    SIDES,
    FakeBatch,
    HiddenStates,
    PairBatch,
    Pass,
    Side,
    ViewContext,
    ViewMaker,
)


@dataclass(frozen=True)
class LayerView(View[Sides[Encoded]]):
    """Hidden states of one layer of both sides; several layers are several views.

    Attributes:
        layer: The hidden layer (-1 = last, 0 = embeddings).
        encoder: Name of the encoder in ``ViewContext.encoders``.
    """

    layer: int = -1

    encoder: ClassVar[str]

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides whose states are computed."""
        return SIDES

    @classmethod
    def maker(cls, views: Sequence[Self], context: ViewContext) -> ViewMaker[Sides[Encoded]]:
        """Read the encoder's states of every declared layer."""

        def make(batch: PairBatch, states: HiddenStates) -> Sides[Encoded]:
            return cls.restrict(states.sides(cls.encoder), views)

        passes = tuple(
            Pass(cls.encoder, side, layers) for side in SIDES if (layers := _layers(views, side))
        )
        return ViewMaker(make, passes)

    @classmethod
    def fake(cls, views: Sequence[Self], batch: FakeBatch) -> Sides[Encoded]:
        """Return states near those of the trained encoder."""
        from otx.views.fakes import fake_frozen_sides

        sides = fake_frozen_sides(batch, sorted({view.layer for view in views}))
        return cls.restrict(sides, views)

    @classmethod
    def restrict(cls, value: Sides[Encoded], views: Sequence[Self]) -> Sides[Encoded]:
        """Keep the declared layers of the declared sides."""

        def kept(side: Side) -> Encoded:
            encoded: Encoded = getattr(value, side)
            tokens = {layer: encoded.states(layer) for layer in sorted(_layers(views, side))}
            return replace(encoded, tokens=tokens)

        return Sides(kept("source"), kept("pivot"))

    @classmethod
    def pad(cls, value: Sides[Encoded], count: int) -> Sides[Encoded]:
        """Pad both sides."""
        from otx.views.fakes import pad_encoded

        return Sides(pad_encoded(value.source, count), pad_encoded(value.pivot, count))


def _layers(views: Sequence[LayerView], side: Side) -> frozenset[int]:
    return frozenset(view.layer for view in views if side in view.sides)
