"""Contrastive alignment of linked words."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import full_precision
from otx.types import EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import ContrastiveOptions
from otx_baselines.words import linked_words


class Contrastive(nn.Module):
    """InfoNCE over all linked words of the batch: find a word's partner among the others.

    With x_l and y_l the two ends of link l, L links in the batch, and s(u, v) = cos(u, v) /
    temperature::

        weak    1/2 (1/L sum_l -log softmax_k s(x_l, y_k) at k = l
                   + 1/L sum_l -log softmax_k s(y_l, x_k) at k = l)
        strong  1/(2L) sum over the 2L words u  -log softmax_w s(u, w) at u's partner,
                w over the 2L words but u itself

    In ``weak`` a word is told from the words of the other side, in ``strong`` from those of both,
    its own sentence's included. As in the authors' code, a word with two links is there twice, and
    a word form that comes back in the batch is a negative like any other; the batch's other pairs
    are of the same language pair (the authors mix language pairs in a batch). A batch without links
    has a loss of 0.

    ``projector`` puts two layers without bias, D to D, ReLU, D to the projector's dimension, before
    the cosine; they are trained with the encoder and thrown away after. Computed in float32.

    Needs hidden states ``[B, T, D]`` of one layer and links ``[L, 3]``; memory grows with L^2.
    Scope: batch; a larger batch is a harder task, and the loss grows like its logarithm.

    Neighbours: ``l2`` pulls the same links together and pushes nothing apart; ``sinkhorn`` needs no
    links. Not for batches of one or two pairs, where there is little to tell a word from.

    Shijie Wu, Mark Dredze: Do Explicit Alignments Robustly Improve Multilingual Encoders? EMNLP
    2020.
    """

    def __init__(self, options: ContrastiveOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Links()}
        self.scope: Scope = "batch"
        self.infonce = {"weak": weak, "strong": strong}[options.strength]
        self.projector: nn.Module = nn.Identity()
        if options.projector is not None:
            self.projector = nn.Sequential(
                nn.Linear(dimension, dimension, bias=False),
                nn.ReLU(),
                nn.Linear(dimension, options.projector, bias=False),
            )

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options = self.options
        source, pivot = linked_words(pair, options.layer, options.word_vector)
        with full_precision(source):
            source = F.normalize(self.projector(source), dim=1)
            pivot = F.normalize(self.projector(pivot), dim=1)
            return Loss(self.infonce(source, pivot, options.temperature))


def weak(source: Tensor, pivot: Tensor, temperature: float) -> Tensor:
    """Mean ``[]`` of both directions' InfoNCE between unit vectors ``[L, D]`` and ``[L, D]``."""
    similarity = source @ pivot.mT / temperature
    partner = torch.arange(len(source), device=source.device)
    total = F.cross_entropy(similarity, partner, reduction="sum")
    total = total + F.cross_entropy(similarity.mT, partner, reduction="sum")
    return total / max(2 * len(source), 1)


def strong(source: Tensor, pivot: Tensor, temperature: float) -> Tensor:
    """InfoNCE ``[]`` of each unit vector of ``[L, D]`` and ``[L, D]`` among all others of both."""
    words = torch.cat((source, pivot))
    similarity = (words @ words.mT / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(words), device=words.device).roll(len(source))
    total = F.cross_entropy(similarity, partner, reduction="sum")
    return total / max(len(words), 1)
