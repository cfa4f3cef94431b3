"""Masked language modelling, the control that sees the same text and aligns nothing."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import EncodedPair, Loss, MaskedLogits, Scope
from otx.views import Masked
from otx_baselines.options import MlmOptions


class MaskedLanguageModelling(nn.Module):
    """Masked language modelling on both sides, each in a sequence of its own.

    Minimises::

        loss = 1/K sum over the K masked sub-words of both sides  -log p(sub-word | its sentence)

    in nats. A batch without masked sub-words has loss 0.

    Args:
        options: Options of ``mlm``: none.
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair[Masked]``: logits ``[K, V]`` and labels ``[K]`` of the masked sub-words, so the encoder needs a
          language-model head.

    Scope:
        ``mean`` over the masked sub-words.

    Relation to others:
        A control: neither side sees the other, so what a run gains by this alone comes from more text, not from
        alignment. As a term next to an objective, it preserves the encoder's language model, as ``keep-close``
        preserves its vectors. ``tlm`` puts both sides into one sequence, and does align.

    When not to use it:
        For encoders without a language-model head, and alone if alignment is the goal.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = MaskedLanguageModelling(MlmOptions(), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding".
          https://arxiv.org/abs/1810.04805
    """

    def __init__(self, options: MlmOptions, dimension: int) -> None:
        super().__init__()
        self.views = {Masked()}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        masked = pair[Masked]
        return Loss(masked_cross_entropy(masked), count=len(masked.labels))


def masked_cross_entropy(masked: MaskedLogits) -> Tensor:
    """Return the mean cross-entropy of the masked sub-words, in float32.

    Args:
        masked: Logits ``[K, V]`` and labels ``[K]``.

    Returns:
        The mean in nats ``[]``; 0 without masked sub-words.
    """
    with no_autocast(masked.logits):
        logits = at_least_float32(masked.logits)
        total = F.cross_entropy(logits, masked.labels, reduction="sum")
    return total / max(len(masked.labels), 1)
