"""Compute the views that objectives declare, each once per batch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from otx.interfaces import View
from otx.types import EncodedPair
from otx.views import HiddenStates, PairBatch, ViewContext, by_kind
from otx.views.context import TRAINED, Side


class PairEncoder:
    """Encodes batches of pairs into the declared views.

    Args:
        views: The views that the objectives declare, together.
        context: The run's encoders, corpora and settings.

    Raises:
        UsageError: If the encoder or the settings do not permit a view.
    """

    def __init__(self, views: Collection[View[Any]], context: ViewContext) -> None:
        self.views = frozenset(views)
        self._context = context
        self._makers = [
            (kind, kind.maker(group, context)) for kind, group in by_kind(views).items()
        ]
        layers: dict[tuple[str, Side], set[int]] = {}
        for _, maker in self._makers:
            for one in maker.passes:
                layers.setdefault((one.encoder, one.side), set()).update(one.layers)
        self._layers = {key: sorted(several) for key, several in layers.items()}

    def __call__(self, batch: PairBatch) -> EncodedPair:
        """Compute every view of a batch.

        Args:
            batch: The batch.

        Returns:
            The views. Random masks come from torch's global generator, which the training loop seeds at every step.
        """
        states = HiddenStates(self._context.encoders, batch, self._layers)
        # First of all: dropout draws its random numbers before the masks are drawn.
        sides = states.sides(TRAINED)
        values = {
            kind: maker.make(batch, states) for kind, maker in self._makers if not kind.holds_sides
        }
        return EncodedPair(sides.source, sides.pivot, values, self.views)
