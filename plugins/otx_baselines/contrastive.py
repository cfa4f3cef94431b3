"""Contrastive alignment of linked words."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import no_autocast
from otx.types import EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import ContrastiveOptions
from otx_baselines.words import linked_words


class Contrastive(nn.Module):
    """InfoNCE over all linked words of the batch: find a word's partner.

    Minimises, with x_l and y_l the two ends of link l, L links in the batch, and s(u, v) = cos(u, v) / temperature::

        weak    1/2 (1/L sum_l -log softmax_k s(x_l, y_k) at k = l
                   + 1/L sum_l -log softmax_k s(y_l, x_k) at k = l)
        strong  1/(2L) sum over the 2L words u  -log softmax_w s(u, w) at u's partner,
                w over the 2L words but u itself

    In ``weak``, the negatives of a word are the words of the other side; in ``strong``, those of both sides, its own
    sentence included. As in the authors' code, a word with two links occurs twice, and a word form that recurs in the
    batch is a negative like any other. The other pairs of the batch are of the same language pair; the authors mix
    language pairs. A batch without links has loss 0. Everything is computed in float32.

    Args:
        options: Options of ``contrastive``. ``strength`` ("strong"); ``temperature`` (0.1, above 0); ``projector``
            (none) adds two layers without bias, D to D, ReLU, D to ``projector``, before the cosine: they are trained
            with the encoder and discarded afterwards; ``layer`` (-1); ``word_vector`` ("last").
        dimension: Width D of the encoder's states.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - ``pair[Links]``: word links ``[L, 3]``: (pair in the batch, source word, pivot word).

        Memory grows with L^2.

    Scope:
        ``batch``: a larger batch is a harder task, and the loss grows like its logarithm.

    Relation to others:
        ``l2`` draws the same links together and separates nothing. ``realign`` also uses words without links as
        negatives. ``sinkhorn`` needs no links.

    When not to use it:
        Batches of one or two pairs, which offer few negatives.

    Example:
        >>> from otx.testing import example_pair
        >>> options = ContrastiveOptions(strength="weak", temperature=0.1)
        >>> objective = Contrastive(options, dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Wu & Dredze (2020), "Do Explicit Alignments Robustly Improve Multilingual Encoders?".
          https://arxiv.org/abs/2010.02537
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
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        options = self.options
        source, pivot = linked_words(pair, options.layer, options.word_vector)
        with no_autocast(source):
            source = F.normalize(self.projector(source), dim=1)
            pivot = F.normalize(self.projector(pivot), dim=1)
            return Loss(self.infonce(source, pivot, options.temperature))


def weak(source: Tensor, pivot: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE in both directions, with the other side's words as negatives.

    Args:
        source: Unit vectors ``[L, D]``.
        pivot: Unit vectors ``[L, D]``; row l is the partner of row l of ``source``.
        temperature: Divisor of the cosines.

    Returns:
        The mean over both directions ``[]``; 0 without links.

    Example:
        >>> weak(torch.eye(2), torch.eye(2), temperature=1.0)
        tensor(0.3133)
    """
    similarity = source @ pivot.mT / temperature
    partner = torch.arange(len(source), device=source.device)
    total = F.cross_entropy(similarity, partner, reduction="sum")
    total = total + F.cross_entropy(similarity.mT, partner, reduction="sum")
    return total / max(2 * len(source), 1)


def strong(source: Tensor, pivot: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE of each word among all other words of both sides.

    Args:
        source: Unit vectors ``[L, D]``.
        pivot: Unit vectors ``[L, D]``; row l is the partner of row l of ``source``.
        temperature: Divisor of the cosines.

    Returns:
        The mean over the 2L words ``[]``; 0 without links.

    Example:
        >>> strong(torch.eye(2), torch.eye(2), temperature=1.0)
        tensor(0.5514)
    """
    words = torch.cat((source, pivot))
    similarity = (words @ words.mT / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(words), device=words.device).roll(len(source))
    total = F.cross_entropy(similarity, partner, reduction="sum")
    return total / max(len(words), 1)
