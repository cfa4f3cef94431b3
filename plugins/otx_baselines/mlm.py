"""Masked language modelling, the control that sees the same text and aligns nothing."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from otx.errors import PluginError
from otx.ot.precision import no_autocast
from otx.types import EncodedPair, Loss, Masked, Needs, Scope
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
        self.needs = Needs(masked=True)
        self.scope: Scope = "batch"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        if pair.masked is None:
            raise PluginError("the batch has no masked view", "mlm needs it")
        return Loss(masked_cross_entropy(pair.masked))


def masked_cross_entropy(masked: Masked) -> Tensor:
    """Mean cross-entropy ``[]`` of the masked sub-words, in nats and float32; 0 where there are none."""
    with no_autocast(masked.logits):
        total = F.cross_entropy(masked.logits.float(), masked.labels, reduction="sum")
    return total / max(len(masked.labels), 1)
