"""Translation language modelling."""

from __future__ import annotations

from torch import nn

from otx.types import EncodedPair, Loss, Scope
from otx.views import Tlm
from otx_baselines.mlm import masked_cross_entropy
from otx_baselines.options import TlmOptions


class TranslationLanguageModelling(nn.Module):
    """Cross-entropy of the masked sub-words where a sentence and its translation share a sequence.

    ::

        loss = 1/K sum over the K masked sub-words of both sides  -log p(sub-word | both sentences)

    in nats. The sequence is what the encoder's tokenizer makes of a pair of texts; positions go on
    through it and nothing says which language a text is of, where Conneau & Lample begin again at
    position 0 and add language embeddings. Needs the tlm view: logits ``[K, V]`` and labels
    ``[K]``, so an encoder with a language-model head; each side may fill half of what the encoder
    can read. Scope: batch, through the mean.

    Neighbours: ``mlm`` is the same without the other side, and its control: what ``tlm`` gains
    beyond it comes of the pairing. It asks that a word can be found in the other sentence, not that
    the two vectors be near, so it is mostly a term beside an objective that does (InfoXLM,
    XLM-Align). Not where the head is missing, and slow with large vocabularies.

    Alexis Conneau, Guillaume Lample: Cross-lingual Language Model Pretraining. NeurIPS 2019.
    """

    def __init__(self, options: TlmOptions, dimension: int) -> None:
        super().__init__()
        self.views = {Tlm()}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        masked = pair[Tlm]
        return Loss(masked_cross_entropy(masked), count=len(masked.labels))
