"""Translation language modelling."""

from __future__ import annotations

from torch import nn

from otx.types import EncodedPair, Loss, Scope
from otx.views import Tlm
from otx_baselines.mlm import masked_cross_entropy
from otx_baselines.options import TlmOptions


class TranslationLanguageModelling(nn.Module):
    """Masked language modelling with a sentence and its translation in one sequence.

    Minimises::

        loss = 1/K sum over the K masked sub-words of both sides  -log p(sub-word | both sentences)

    in nats. The encoder's tokenizer joins the two texts as it joins a pair of texts. Positions continue through the
    sequence, and nothing marks the languages; Conneau & Lample restart positions at 0 and add language embeddings.

    Args:
        options: Options of ``tlm``: none.
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair[Tlm]``: logits ``[K, V]`` and labels ``[K]`` of the masked sub-words, so the encoder needs a
          language-model head. Each side may fill half of the encoder's maximum length.

    Scope:
        ``mean`` over the masked sub-words.

    Relation to others:
        ``mlm`` is the same without the other side, and the control of ``tlm``: what ``tlm`` gains beyond ``mlm`` comes
        from the pairing. ``tlm`` asks that a word can be predicted from the other sentence, not that two vectors be
        close, so it is mostly combined with an objective that does (InfoXLM, XLM-Align).

    When not to use it:
        For encoders without a language-model head. Slow with large vocabularies.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = TranslationLanguageModelling(TlmOptions(), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Conneau & Lample (2019), "Cross-lingual Language Model Pretraining". https://arxiv.org/abs/1901.07291
    """

    def __init__(self, options: TlmOptions, dimension: int) -> None:
        super().__init__()
        self.views = {Tlm()}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        masked = pair[Tlm]
        return Loss(masked_cross_entropy(masked), count=len(masked.labels))
