"""Squared distance of linked words."""

from __future__ import annotations

import torch
from torch import nn

from otx.types import EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import L2Options
from otx_baselines.words import linked_words, special_tokens


class L2(nn.Module):
    """The mean squared difference of linked words, over links and dimensions.

    ::

        loss = 1 / (L D)  sum over links (s, t)  sum over d  (x_sd - y_td)^2

    over the L links of the whole batch: a long sentence weighs more than a short one, and a word
    with several links counts at each. This is ``F.mse_loss(ann_1[idx_1], ann_2[idx_2])`` of Cao et
    al.'s code; their paper writes a sum over links of squared L2 norms, which is L D times as much.
    Gradients go through both sides. With ``special_tokens`` the two sides' first and last special
    tokens are linked too, in every pair, as their code does. A batch without links has a loss of 0.

    Needs hidden states ``[B, T, D]`` of one layer and links ``[L, 3]``. Scope: batch, through the
    mean.

    Neighbours: ``keep-close`` (with ``reduction = "mse"``) is the other half of Cao et al.'s loss,
    and without it the distance has a trivial minimum, all words in one point. Wu & Dredze's L2 is D
    times this one. ``contrastive`` uses the same links and rewards telling words apart;
    ``sinkhorn`` uses none. Where links are poor, this objective learns their mistakes; in the paper
    of Alqahtani et al. (2021) it cost question answering dearly.

    Steven Cao, Nikita Kitaev, Dan Klein: Multilingual Alignment of Contextual Word Representations.
    ICLR 2020.
    """

    def __init__(self, options: L2Options, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Links()}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options = self.options
        source, pivot = linked_words(pair, options.layer, options.word_vector)
        if options.special_tokens:
            source = torch.cat((source, special_tokens(pair.source, options.layer)))
            pivot = torch.cat((pivot, special_tokens(pair.pivot, options.layer)))
        value = (source - pivot).square().sum() / max(source.numel(), 1)
        return Loss(value, count=len(source))
