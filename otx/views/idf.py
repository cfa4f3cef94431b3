"""Inverse document frequencies of the batch's words, counted on the training corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from otx.interfaces import View
from otx.types import Sides
from otx.views.context import FakeBatch, HiddenStates, PairBatch, ViewContext, ViewMaker

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Idf(View[Sides["Tensor"]]):
    """Smooth inverse document frequencies ``[B, W]`` of the words, 0 at padding: ``pair[Idf].source`` and ``.pivot``.

    They are counted on each side of the batch's own corpus.
    """

    label: ClassVar[str] = "idf"
    summary: ClassVar[str] = "inverse document frequencies of the words"
    reads_corpora: ClassVar[bool] = True

    @classmethod
    def maker(cls, views: Sequence[Self], context: ViewContext) -> ViewMaker[Sides[Tensor]]:
        """Count both sides of every corpus."""
        import torch

        from otx.data.idf import Idf as Counts

        counts = [
            Sides(Counts.count(pairs, "source"), Counts.count(pairs, "pivot"))
            for pairs in context.tokenised
        ]

        def make(batch: PairBatch, states: HiddenStates) -> Sides[Tensor]:
            corpus, device = counts[batch.corpus], batch.source.ids.device
            source = torch.from_numpy(corpus.source.weights(batch.rows.source))
            pivot = torch.from_numpy(corpus.pivot.weights(batch.rows.pivot))
            return Sides(source.to(device), pivot.to(device))

        return ViewMaker(make)

    @classmethod
    def fake(cls, views: Sequence[Self], batch: FakeBatch) -> Sides[Tensor]:
        """Return weights between 1 and 2."""
        from otx.views.fakes import fake_weights

        source = fake_weights([source for source, _ in batch.lengths], batch.random)
        pivot = fake_weights([pivot for _, pivot in batch.lengths], batch.random)
        return Sides(source, pivot)

    @classmethod
    def select(cls, value: Sides[Tensor], rows: slice, pairs: int) -> Sides[Tensor]:
        """Keep the selected rows, as wide as their longest."""
        return Sides(_narrow(value.source[rows]), _narrow(value.pivot[rows]))


def _narrow(weights: Tensor) -> Tensor:
    return weights[:, : max(1, int((weights > 0).sum(1).max()))]
