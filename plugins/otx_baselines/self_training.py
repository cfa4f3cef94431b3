"""Self-training on the encoder's own alignment."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import States
from otx_baselines.options import SelfTrainingOptions


class SelfTraining(nn.Module):
    """Negative probability of the alignment that the encoder already sees.

    Minimises, with x_i and y_j the n and m units of a pair, P = softmax over j of x_i . y_j, Q = softmax over i of
    x_i . y_j, and A_ij = 1 if P_ij and Q_ij are both above the threshold, else 0::

        loss = 1/B sum over pairs  -(1/n sum_ij A_ij P_ij + 1/m sum_ij A_ij Q_ij)

    A is a constant of the step, computed anew in each from that step's vectors. The value is between -2 and 0. This is
    the authors' code; the paper has half of it. The code computes A of words without dropout and spreads it over their
    sub-words; here A is computed of the units themselves. Dot products are not scaled, so the softmax is as sharp as
    the encoder's vectors are long: nearly one-hot for layer 8 of BERT, for which the threshold was chosen.

    Args:
        options: Options of ``self-training``. ``threshold`` (0.001, at least 0 and below 1); ``unit`` ("subwords");
            ``layer`` (-1); ``word_vector`` ("last").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.

    Scope:
        ``mean`` over the pairs.

    Relation to others:
        ``transport-label`` takes a transport plan for A, which gives every word a partner, and a cross-entropy for the
        probability.

    When not to use it:
        With a weak encoder: what is aligned becomes surer and what is not is left alone, so the objective cannot repair
        an encoder that aligns badly. An independent test saw the alignment error of a strong one fall a little (.183 to
        .178).

    Example:
        >>> from otx.testing import example_pair
        >>> objective = SelfTraining(SelfTrainingOptions(unit="words"), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> bool(-2 <= loss.value <= 0)
        True

    References:
        - Dou & Neubig (2021), "Word Alignment by Fine-tuning Embeddings on Parallel Corpora" (awesome-align).
          https://arxiv.org/abs/2101.08231
    """

    def __init__(self, options: SelfTrainingOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer)}
        self.scope: Scope = "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        (x, real_x), (y, real_y) = self._units(pair.source), self._units(pair.pivot)
        with no_autocast(x):
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
        return at_least_float32(vectors).masked_fill(~mask[:, :, None], 0), mask


def _softmax(scores: Tensor, real: Tensor, dim: int) -> Tensor:
    """The softmax of ``scores [B, N, M]`` over what is real."""
    return torch.softmax(scores.masked_fill(~real, -torch.inf), dim)
