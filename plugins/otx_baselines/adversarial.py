"""A language discriminator that the encoder learns to confuse."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import States
from otx_baselines.options import AdversarialOptions


class Adversarial(nn.Module):
    """Cross-entropy of a language discriminator, whose gradient is reversed for the encoder.

    Minimises, with f a hidden layer of ReLUs and a logit, and x_i, y_j the N and M words (or sentences) of the batch's
    two sides::

        loss = 1/2 (1/N sum_i -log sigmoid(f(x_i)) + 1/M sum_j -log sigmoid(-f(y_j)))

    f is trained to lower the loss. The encoder receives the gradient times -reversal, so it raises the loss: at ln 2 =
    0.693 the discriminator knows nothing. The logged value is the discriminator's, and falls if the *discriminator*
    wins. Each side counts half, whatever its number of words. Everything is computed in float32.

    Args:
        options: Options of ``adversarial``. ``unit`` ("words"); ``reversal`` (1.0, above 0); ``hidden`` (128);
            ``layer`` (-1); ``word_vector`` ("last").
        dimension: Width D of the encoder's states.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.

        Neither links nor the pairing are used, so text that is not parallel works too; its control with shuffled pairs
        is the same objective.

    Scope:
        ``batch``: the two means have different numbers of words.

    Relation to others:
        ``gaussian`` and pooled ``sinkhorn`` bring the two distributions together without a game.

    When not to use it:
        Alone: what confuses a discriminator does not make two words translations; distributions can be equal with every
        word in the wrong place. Combine it with an objective and ``keep-close``. Not with a large ``reversal``, which
        makes the encoder forget what it knows.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Adversarial(AdversarialOptions(hidden=16), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, sorted(loss.terms)
        (torch.Size([]), ['accuracy'])

    References:
        - Ganin & Lempitsky (2015), "Unsupervised Domain Adaptation by Backpropagation". https://arxiv.org/abs/1409.7495
        - Chen et al. (2018), "Adversarial Deep Averaging Networks for Cross-Lingual Sentiment Classification".
          https://arxiv.org/abs/1606.01614
    """

    def __init__(self, options: AdversarialOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer)}
        self.scope: Scope = "batch"
        self.discriminator = nn.Sequential(
            nn.Linear(dimension, options.hidden), nn.ReLU(), nn.Linear(options.hidden, 1)
        )

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        (source, source_mask), (pivot, pivot_mask) = (
            self._logits(side) for side in (pair.source, pair.pivot)
        )
        loss = _mean(F.softplus(-source), source_mask) + _mean(F.softplus(pivot), pivot_mask)
        right = _mean((source > 0).float(), source_mask) + _mean((pivot < 0).float(), pivot_mask)
        return Loss(loss / 2, terms={"accuracy": right.detach() / 2})

    def _logits(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """Return the discriminator's logits and their mask, of sentences ``[B]`` or of words ``[B, W]``."""
        layer = self.options.layer
        if self.options.unit == "sentences":
            vectors = encoded.sentences(layer)
            mask = torch.ones_like(vectors[:, 0], dtype=torch.bool)
        else:
            vectors, mask = encoded.words(layer, self.options.word_vector)
        vectors = at_least_float32(vectors)
        with no_autocast(vectors):
            turned: Tensor = Reversal.apply(vectors, self.options.reversal)  # type: ignore[no-untyped-call]
            logits: Tensor = self.discriminator(turned)
        return logits.squeeze(-1), mask


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean ``[]`` of the values at ``mask``, counted on the device."""
    return values.masked_fill(~mask, 0).sum() / mask.sum()


class Reversal(torch.autograd.Function):
    """The identity, whose gradient is multiplied by ``-factor``."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, factor: float) -> Tensor:
        """Return the vectors unchanged.

        Args:
            ctx: Keeps the factor for the backward pass.
            vectors: Vectors ``[N, D]``.
            factor: Factor of the reversed gradient.
        """
        ctx.factor = factor
        return vectors.view_as(vectors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient times ``-factor``.

        Args:
            ctx: Holds the factor.
            *gradients: Gradient of the vectors.
        """
        return -ctx.factor * gradients[0], None
