"""Contrastive realignment: a linked word is told from all words of the batch, linked or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import RealignOptions
from otx_baselines.words import check_links


class Realign(nn.Module):
    """InfoNCE of linked words against every word of the batch, linked or not.

    Minimises, with x_l and y_l the two ends of link l, L links in the batch, A all words of both sides, and s(u, v) =
    cos(u, v) / temperature::

        loss = 1/(2L) sum over the 2L ends u  -log  exp s(u, u') / sum over w of W(u)  exp s(u, w)

    where u' is the other end. W(u) is A without u itself in ``strong``, and the words of the other side in ``weak``.
    Everything is computed in float32. A batch without links has loss 0.

    Args:
        options: Options of ``realign``. ``strength`` ("strong"); ``temperature`` (0.1, above 0); ``layer`` (-1);
            ``word_vector`` ("mean").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - ``pair[Links]``: word links ``[L, 3]``: (pair in the batch, source word, pivot word).

        Memory grows with L times the number of words of the batch.

    Scope:
        ``batch``.

    Relation to others:
        ``contrastive`` (Wu & Dredze) has the same formula, but its negatives are linked words only, so that words
        without a partner are never pushed away; it also reads a word's last sub-word where this objective takes the
        mean. The authors' links come from a dictionary, or from an aligner that sees only the pair. They saw gains for
        small encoders and distant languages, and losses in question answering; freezing the lower half of the layers
        (``encoder.freeze``) recovered some of these.

    When not to use it:
        If links of rare words are unreliable: every wrong link is a positive.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Realign(RealignOptions(temperature=0.1), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Gaschi et al. (2023), "Exploring the Relationship between Alignment and Cross-lingual Transfer in Multilingual
          Transformers". https://arxiv.org/abs/2306.02790
        - Bakos et al. (2025), "AlignFreeze". https://github.com/posos-tech/multilingual-alignment-and-transfer
    """

    def __init__(self, options: RealignOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Links()}
        self.scope: Scope = "batch"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        row, source, pivot = pair[Links].unbind(1)
        x, x_place = self._words(pair.source, "source", row, source)
        y, y_place = self._words(pair.pivot, "pivot", row, pivot)
        words = torch.cat((x, y))
        ends = torch.cat((x_place, y_place + len(x)))
        partners = torch.cat((y_place + len(x), x_place))
        with no_autocast(words):
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
        return F.normalize(at_least_float32(vectors[mask]), dim=1), place[row, word]

    def _barred(self, ends: Tensor, sources: int, words: Tensor) -> Tensor:
        """Mask ``[2L, N]`` of words that are no negatives of an end: itself, or in ``weak`` its own side."""
        every = torch.arange(len(words), device=words.device)
        if self.options.strength == "strong":
            return ends[:, None] == every
        return (ends[:, None] < sources) == (every < sources)
