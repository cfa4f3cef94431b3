"""Squared distance of linked words."""

from __future__ import annotations

import torch
from torch import nn

from otx.types import EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import L2Options
from otx_baselines.words import linked_words, special_tokens


class L2(nn.Module):
    """Mean squared difference of linked words.

    Minimises::

        loss = 1 / (L D)  sum over links (s, t)  sum over d  (x_sd - y_td)^2

    over the L links of the batch. A long sentence weighs more than a short one, and a word with several links counts at
    each. This is ``F.mse_loss(ann_1[idx_1], ann_2[idx_2])`` in the code of Cao et al.; their paper writes the sum of
    the squared L2 norms, which is L D times as large. Gradients flow through both sides. A batch without links has loss
    0.

    Args:
        options: Options of ``l2``. ``special_tokens`` (False) also links the first and the last special tokens of every
            pair, as the code of Cao et al. does; ``layer`` (-1); ``word_vector`` ("last").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - ``pair[Links]``: word links ``[L, 3]``: (pair in the batch, source word, pivot word).

    Scope:
        ``mean`` over the links (and the linked special tokens): a batch can be split and recombined by their number.

    Relation to others:
        ``keep-close`` with ``reduction = "mse"`` is the other half of the loss of Cao et al. Without it, the distance
        has a trivial minimum in which all words coincide. The L2 term of Wu & Dredze is D times this one.
        ``contrastive`` uses the same links and also separates words; ``sinkhorn`` needs no links.

    When not to use it:
        If links are poor, this objective learns their errors. In Alqahtani et al. (2021), it reduced question answering
        scores severely.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = L2(L2Options(), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Cao, Kitaev & Klein (2020), "Multilingual Alignment of Contextual Word Representations".
          https://arxiv.org/abs/2002.03518
        - Wu & Dredze (2020), "Do Explicit Alignments Robustly Improve Multilingual Encoders?".
          https://arxiv.org/abs/2010.02537
    """

    def __init__(self, options: L2Options, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Links()}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        options = self.options
        source, pivot = linked_words(pair, options.layer, options.word_vector)
        if options.special_tokens:
            source = torch.cat((source, special_tokens(pair.source, options.layer)))
            pivot = torch.cat((pivot, special_tokens(pair.pivot, options.layer)))
        value = (source - pivot).square().sum() / max(source.numel(), 1)
        return Loss(value, count=len(source))
