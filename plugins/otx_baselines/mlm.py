"""Masked language modelling, the control that sees the same text and aligns nothing."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import full_precision
from otx.types import EncodedPair, Loss, MaskedLogits, Scope
from otx.views import Masked
from otx_baselines.options import MlmOptions


class MaskedLanguageModelling(nn.Module):
    """Cross-entropy of the masked sub-words of both sides, each side in a sequence of its own.

    ::

        loss = 1/K sum over the K masked sub-words of both sides  -log p(sub-word | its sentence)

    in nats. A batch in which nothing was masked has a loss of 0. Needs the masked view: logits
    ``[K, V]`` and labels ``[K]``, so an encoder with a language-model head. Scope: batch, through
    the mean.

    A control: no side sees the other, so what a run gains by this alone it owes to more text, not
    to alignment. As a term beside an objective it holds the encoder to its language, as
    ``keep-close`` holds it to its vectors. ``tlm`` puts both sides into one
    sequence, and does align.

    Jacob Devlin et al.: BERT. NAACL 2019.
    """

    def __init__(self, options: MlmOptions, dimension: int) -> None:
        super().__init__()
        self.views = {Masked()}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        masked = pair[Masked]
        return Loss(masked_cross_entropy(masked), count=len(masked.labels))


def masked_cross_entropy(masked: MaskedLogits) -> Tensor:
    """Mean cross-entropy ``[]`` of the masked sub-words, in nats and float32; 0 where there are none."""
    with full_precision(masked.logits):
        total = F.cross_entropy(masked.logits.float(), masked.labels, reduction="sum")
    return total / max(len(masked.labels), 1)
