"""The transport plan as a label for a softmax over the other sentence's words."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from otx.ot.costs.ground import cosine
from otx.types import EncodedPair, Loss
from otx.views import Reference
from otx_transport.base import Measures, TransportObjective, mean_loss, measures, transported
from otx_transport.options import TransportLabelOptions


class TransportLabel(TransportObjective[TransportLabelOptions]):
    """Cross-entropy between the optimal plan, held fixed, and a softmax over the other side.

    Minimises::

        loss = 1/P sum over problems  -1/2 sum_ij pi_ij (log softmax_j s(x_i, y_j) + log softmax_i s(x_i, y_j))
        s(u, v) = cos(u, v) / temperature

    pi is the balanced entropic plan of ``sinkhorn`` under masses a and b, a constant of the step. Its rows sum to a and
    its columns to b, so the cross-entropy of each word counts as its mass. The plan knows that every word needs a
    partner and that none may have them all; the softmax learns that. The minimum of the loss is the entropy of the
    plan, not 0. ``Loss.plan`` and the health numbers are those of the plan.

    Args:
        options: Options of ``transport-label``: those of ``sinkhorn`` without ``debias``, with ``epsilon`` (0.05),
            ``temperature`` (0.1, above 0) and ``labels`` ("own": the plan of the encoder's vectors; "reference": of the
            initial encoder's).
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.
        - With ``labels = "reference"``: ``pair[Reference]``: the initial encoder's states of the same layer.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, where the negatives of a
        word are all words of the other side of the batch.

    Relation to others:
        XLM-Align takes two Sinkhorn steps as labels and a classifier that points at masked tokens; ``self-training``
        (awesome-align) sharpens what is already aligned. ``sinkhorn`` brings words together without separating the
        right one from its neighbours; this objective separates it, given the right label.

    When not to use it:
        With a weak encoder, whose own plans teach it its mistakes: in a first trial with a small encoder, alignment
        error rose from .43 to .51. Use it once an encoder aligns well, or after another objective has been trained.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = TransportLabel(TransportLabelOptions(), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Chi et al. (2021), "Improving Pretrained Cross-Lingual Language Models via Self-Labeled Word Alignment".
          https://arxiv.org/abs/2106.06381
        - Dou & Neubig (2021), "Word Alignment by Fine-tuning Embeddings on Parallel Corpora".
          https://arxiv.org/abs/2101.08231
    """

    def __init__(self, options: TransportLabelOptions, dimension: int) -> None:
        super().__init__(options, dimension)
        if options.labels == "reference":
            self.views |= {Reference(options.layer)}

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        sides = measures(pair, self.options)
        with torch.no_grad():
            label = transported(self._labelled(pair, sides), self.options)
        scores = (1 - cosine(sides.x, sides.y)) / self.options.temperature
        real = (sides.a > 0)[:, :, None], (sides.b > 0)[:, None, :]
        log_probabilities = _log_softmax(scores, real[1], 2) + _log_softmax(scores, real[0], 1)
        # Where there is no mass a log softmax may be -inf, which times 0 is not a number.
        missed = (
            -(label.plan * log_probabilities.masked_fill(~(real[0] & real[1]), 0)).sum((1, 2)) / 2
        )
        return mean_loss(missed, label)

    def _labelled(self, pair: EncodedPair, own: Measures) -> Measures:
        if self.options.labels == "own":
            return own
        initial = pair[Reference]
        return measures(replace(pair, source=initial.source, pivot=initial.pivot), self.options)


def _log_softmax(scores: Tensor, real: Tensor, dim: int) -> Tensor:
    return torch.log_softmax(scores.masked_fill(~real, -torch.inf), dim)
