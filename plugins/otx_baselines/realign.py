"""Contrastive realignment: a linked word is told from all words of the batch, linked or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import full_precision, raised
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import RealignOptions
from otx_baselines.words import check_links


class Realign(nn.Module):
    """InfoNCE of the linked words against every word of the batch.

    With x_l and y_l the two ends of link l, L links in the batch, A all words of both sides, linked
    or not, and s(u, v) = cos(u, v) / temperature::

        loss = 1/(2L) sum over the 2L ends u  -log  exp s(u, u') / sum over w of W(u)  exp s(u, w)

    where u' is the other end; W(u) is A without u itself in ``strong`` and the other side's words
    in ``weak``. Computed in float32; a batch without links has a loss of 0.

    Needs hidden states ``[B, T, D]`` of one layer and links ``[L, 3]``; memory grows with L times
    the words of the batch. Scope: batch.

    Neighbours: ``contrastive`` (Wu & Dredze) has the same formula, but tells a word from linked
    words only, so that words without a partner are never pushed away, and takes a word's last
    sub-word where this takes the mean. The authors' links come from a dictionary, or from an
    aligner that sees the pair only; they saw gains where the encoder is small and languages are
    far, and question answering suffer; freezing the lower half of the layers (``encoder.freeze``)
    won some of that back. Not for links that are poor in rare words: each wrong link is a positive.

    Felix Gaschi et al.: Exploring the Relationship between Alignment and Cross-lingual Transfer in
    Multilingual Transformers. Findings of ACL 2023. Steve Bakos et al.: AlignFreeze. NAACL 2025.
    """

    def __init__(self, options: RealignOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Links()}
        self.scope: Scope = "batch"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        row, source, pivot = pair[Links].unbind(1)
        x, x_place = self._words(pair.source, "source", row, source)
        y, y_place = self._words(pair.pivot, "pivot", row, pivot)
        words = torch.cat((x, y))
        ends = torch.cat((x_place, y_place + len(x)))
        partners = torch.cat((y_place + len(x), x_place))
        with full_precision(words):
            similarity = words[ends] @ words.mT / self.options.temperature
            similarity = similarity.masked_fill(self._barred(ends, len(x), words), -torch.inf)
            total = F.cross_entropy(similarity, partners, reduction="sum")
        return Loss(total / max(len(ends), 1))

    def _words(
        self, encoded: Encoded, side: str, row: Tensor, word: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All unit vectors ``[N, D]`` of a side, and at which of them the links' ends ``[L]`` are."""
        vectors, mask = encoded.words(self.options.layer, self.options.word_vector)
        check_links(mask, side, row, word)
        place = mask.flatten().cumsum(0).view(mask.shape) - 1
        return F.normalize(raised(vectors[mask]), dim=1), place[row, word]

    def _barred(self, ends: Tensor, sources: int, words: Tensor) -> Tensor:
        """What an end is not told from ``[2L, N]``: itself, or in ``weak`` its own side."""
        every = torch.arange(len(words), device=words.device)
        if self.options.strength == "strong":
            return ends[:, None] == every
        return (ends[:, None] < sources) == (every < sources)
