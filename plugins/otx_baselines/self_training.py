"""Self-training on the encoder's own alignment."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from otx.ot.precision import full_precision, raised
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import States
from otx_baselines.options import SelfTrainingOptions


class SelfTraining(nn.Module):
    """Minus the probability that the encoder gives to the alignment that it already sees.

    With x_i and y_j the n and m units of a pair, P = softmax over j of x_i . y_j, Q = softmax over
    i of x_i . y_j, and A_ij = 1 where P_ij and Q_ij are both above the threshold, else 0::

        loss = 1/B sum over pairs  -(1/n sum_ij A_ij P_ij + 1/m sum_ij A_ij Q_ij)

    A is a constant of the step, made anew in each from the vectors of that step. The value lies
    between -2 and 0. This is the authors' code; the paper has half of it. In the code A is made of
    words and then spread over their sub-words, and without dropout; here it is made of the units
    themselves, from the vectors at hand.

    Needs hidden states ``[B, T, D]`` of one layer; no links. Scope: sentence. Dot products are not
    divided by anything, so the softmax is as sharp as the encoder's vectors are long: for BERT's
    layer 8, which the threshold was made for, nearly one-hot.

    Neighbours: ``transport-label`` takes a transport plan for A, which gives every word a partner,
    and a cross-entropy for the probability. What is aligned becomes surer and what is not is left
    alone, so the objective cannot mend an encoder that aligns badly: an independent test saw
    alignment error fall a little (.183 to .178) with a strong one. Not for weak encoders.

    Zi-Yi Dou, Graham Neubig: Word Alignment by Fine-tuning Embeddings on Parallel Corpora. EACL
    2021 (awesome-align's self-training objective).
    """

    def __init__(self, options: SelfTrainingOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer)}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        (x, real_x), (y, real_y) = self._units(pair.source), self._units(pair.pivot)
        with full_precision(x):
            scores = x @ y.mT
            forth = _softmax(scores, real_y[:, None, :], 2)
            back = _softmax(scores, real_x[:, :, None], 1)
        aligned = (forth > self.options.threshold) & (back > self.options.threshold)
        aligned &= real_x[:, :, None] & real_y[:, None, :]
        share_x = (forth * aligned).sum((1, 2)) / real_x.sum(1)
        share_y = (back * aligned).sum((1, 2)) / real_y.sum(1)
        return Loss(-(share_x + share_y).mean(), count=len(pair))

    def _units(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        options = self.options
        if options.unit == "words":
            vectors, mask = encoded.words(options.layer, options.word_vector)
        else:
            vectors, mask = encoded.subwords(options.layer)
        # Padding may hold anything, infinities too.
        return raised(vectors).masked_fill(~mask[:, :, None], 0), mask


def _softmax(scores: Tensor, real: Tensor, dim: int) -> Tensor:
    """The softmax of ``scores [B, N, M]`` over what is real."""
    return torch.softmax(scores.masked_fill(~real, -torch.inf), dim)
