"""Hidden states of the pivot side by a teacher, another frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from otx.interfaces import View
from otx.types import Encoded
from otx.views.context import FakeBatch, HiddenStates, PairBatch, Pass, ViewContext, ViewMaker

if TYPE_CHECKING:
    from otx.config.schema import AlignSettings

LAST = -1


@dataclass(frozen=True)
class Teacher(View[Encoded]):
    """Last hidden states ``[B, T', D']`` of the pivot side by the teacher, layer -1 only.

    Sub-words and width are the teacher's own; its words equal the encoder's where both split text alike. The teacher is
    ``align.teacher``; by default it is the initial encoder.
    """

    label: ClassVar[str] = "teacher"
    summary: ClassVar[str] = (
        "the pivot side's last hidden states by another frozen encoder (`align.teacher`)"
    )

    def auxiliary(self, align: AlignSettings) -> frozenset[str]:
        """Ask for the teacher, which is the initial encoder if no other is set."""
        return frozenset({"teacher"} if align.teacher else {"teacher", "reference"})

    @classmethod
    def maker(cls, views: Sequence[Self], context: ViewContext) -> ViewMaker[Encoded]:
        """Read the initial encoder's states, or tokenise the corpora for another teacher."""
        if context.align.teacher is None:
            return ViewMaker(
                lambda batch, states: replace(
                    pivot := states.side("reference", "pivot"), tokens={LAST: pivot.states(LAST)}
                ),
                (Pass("reference", "pivot", frozenset({LAST})),),
            )
        import torch

        from otx.data.cache import cache_folder
        from otx.data.tokenised import tokenise

        teacher = context.encoders["teacher"]
        corpora = [tokenise(corpus, teacher, cache_folder()) for corpus in context.corpora]

        @torch.no_grad()
        def make(batch: PairBatch, states: HiddenStates) -> Encoded:
            _, rows, _ = corpora[batch.corpus].rows(batch.indices)
            return teacher.encode(teacher.collate(rows), (LAST,))

        return ViewMaker(make)

    @classmethod
    def fake(cls, views: Sequence[Self], batch: FakeBatch) -> Encoded:
        """Return states of other sub-words."""
        from otx.views.fakes import fake_encoded, fake_frozen

        pivots = [pivot for _, pivot in batch.lengths]
        encoded = fake_encoded(pivots, (LAST,), batch.dimension, batch.random)
        return fake_frozen(encoded, batch.random)

    @classmethod
    def pad(cls, value: Encoded, count: int) -> Encoded:
        """Pad the pivot side."""
        from otx.views.fakes import pad_encoded

        return pad_encoded(value, count)
