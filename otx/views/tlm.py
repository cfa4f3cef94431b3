"""Masked-LM predictions with a sentence and its translation in one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from otx.types import MaskedLogits
from otx.views.context import HiddenStates, PairBatch, ViewContext, ViewMaker
from otx.views.masked import JOINED, Masked, predict_masked, require_mask_token


@dataclass(frozen=True)
class Tlm(Masked):
    """Logits ``[K, V]`` and labels ``[K]`` of the K masked sub-words, both sides of a pair sharing one sequence.

    Each side has half of the encoder's length limit. The encoder must have a language-model head.
    """

    label: ClassVar[str] = "tlm"
    summary: ClassVar[str] = "logits of masked sub-words with both sides in one sequence"
    joins_sides: ClassVar[bool] = True

    @classmethod
    def maker(cls, views: Sequence[Self], context: ViewContext) -> ViewMaker[MaskedLogits]:
        """Join the sides as the tokenizer joins a pair of texts, and mask the sequence."""
        from otx.data.pair_sequences import join

        encoder = context.encoder
        require_mask_token(encoder)

        def make(batch: PairBatch, states: HiddenStates) -> MaskedLogits:
            joined = join(encoder, batch.rows.source, batch.rows.pivot)
            return predict_masked({JOINED: joined}, encoder, batch)

        return ViewMaker(make)
