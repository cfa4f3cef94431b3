"""Masked-LM predictions of both sides, each side in a sequence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from otx.errors import UsageError
from otx.interfaces import Encoder, View
from otx.types import MaskedLogits, TokenBatch
from otx.views.context import FakeBatch, ViewContext, ViewMaker

if TYPE_CHECKING:
    from torch import Tensor

MASKED_SHARE = 0.15
MASK_TOKEN_SHARE, KEPT_SHARE = 0.8, 0.1


@dataclass(frozen=True)
class Masked(View[MaskedLogits]):
    """Logits ``[K, V]`` and labels ``[K]`` of the K masked sub-words of both sides.

    Sub-words are masked anew in every batch, as BERT does. The encoder must have a language-model head.
    """

    label: ClassVar[str] = "masked"
    summary: ClassVar[str] = "logits of masked sub-words"
    predicts_subwords: ClassVar[bool] = True

    @classmethod
    def maker(cls, views: Sequence[Self], context: ViewContext) -> ViewMaker[MaskedLogits]:
        """Mask each side by itself."""
        encoder = context.encoder
        require_mask_token(encoder)
        return ViewMaker(lambda batch, states: predict_masked([batch.source, batch.pivot], encoder))

    @classmethod
    def fake(cls, views: Sequence[Self], batch: FakeBatch) -> MaskedLogits:
        """Return random logits."""
        from otx.views.fakes import fake_logits

        return fake_logits(batch.random)

    @classmethod
    def select(cls, value: MaskedLogits, rows: slice, pairs: int) -> MaskedLogits:
        """Keep the sub-words of the selected pairs, as if each pair had as many."""
        count = len(value.labels)
        kept = slice(count * rows.start // pairs, count * rows.stop // pairs)
        return MaskedLogits(value.logits[kept], value.labels[kept])


def require_mask_token(encoder: Encoder) -> None:
    """Refuse an encoder whose tokenizer has no mask token.

    Args:
        encoder: The encoder.

    Raises:
        UsageError: If it has none.
    """
    if encoder.tokenizer.mask_token_id is None:
        raise UsageError(
            f"the tokenizer of {encoder.reference} has no mask token",
            "leave out the masked-LM objective, or use another encoder",
        )


def predict_masked(sequences: Sequence[TokenBatch], encoder: Encoder) -> MaskedLogits:
    """Mask sub-words of several batches and predict them.

    Args:
        sequences: The batches.
        encoder: The encoder, with a language-model head.

    Returns:
        The predictions of all batches.
    """
    import torch

    logits, labels = [], []
    for batch in sequences:
        masked, picked = mask_subwords(batch, encoder)
        if picked.any():
            logits.append(encoder.masked_logits(masked, picked))
            labels.append(batch.ids[picked])
    return MaskedLogits(torch.cat(logits), torch.cat(labels))


def mask_subwords(batch: TokenBatch, encoder: Encoder) -> tuple[TokenBatch, Tensor]:
    """Mask sub-words as BERT does: 15 % of the real ones, of these 80 % ``<mask>``, 10 % random, 10 % unchanged.

    Random numbers come from torch's global generator.

    Args:
        batch: The batch to mask.
        encoder: The encoder, for its tokenizer.

    Returns:
        The masked batch, and the sub-words to predict ``[B, T]``: at least one in every sequence that has any.

    References:
        Devlin et al. (2019), "BERT". https://arxiv.org/abs/1810.04805
    """
    import torch

    tokenizer = encoder.tokenizer
    real = batch.word_index >= 0
    draw = torch.rand(batch.ids.shape).to(batch.ids.device).masked_fill(~real, 2.0)
    picked = (draw < MASKED_SHARE) | (draw == draw.min(dim=1, keepdim=True).values)
    picked &= real
    how = torch.rand(batch.ids.shape).to(batch.ids.device)
    noise = torch.randint(len(tokenizer), tuple(batch.ids.shape)).to(batch.ids.device)
    ids = torch.where(picked & (how < MASK_TOKEN_SHARE), tokenizer.mask_token_id, batch.ids)
    ids = torch.where(picked & (how >= MASK_TOKEN_SHARE + KEPT_SHARE), noise, ids)
    return replace(batch, ids=ids), picked
