"""A language discriminator that the encoder learns to confuse."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import full_precision, raised
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import States
from otx_baselines.options import AdversarialOptions


class Adversarial(nn.Module):
    """Cross-entropy of a discriminator of the two languages; its gradient is reversed on the way back.

    With f a layer of ReLUs and a logit, and x_i, y_j the N and M words (or sentences) of the
    batch's two sides::

        loss = 1/2 (1/N sum_i -log sigmoid(f(x_i)) + 1/M sum_j -log sigmoid(-f(y_j)))

    f is trained to lower it; into the encoder goes the gradient times -reversal, so that the
    encoder raises it: at ln 2 = .693 the discriminator knows nothing. The value that is logged is
    the discriminator's, and falls where the *discriminator* wins. Each side counts half, however
    many words it has. Computed in float32.

    Needs hidden states ``[B, T, D]`` of one layer; neither links nor the pairing itself, so it runs
    on text that is not parallel (its control with shuffled pairs is the same objective). Scope:
    batch.

    Neighbours: ``gaussian`` and pooled ``sinkhorn`` draw the two distributions together without a
    game. What one discriminator takes for the other language is not what makes two words
    translations: distributions can be equal and every word in the wrong place. A term beside an
    objective, with ``keep-close``; not by itself, and not with a large ``reversal``, which makes
    the encoder forget what it knows.

    Yaroslav Ganin, Victor Lempitsky: Unsupervised Domain Adaptation by Backpropagation. ICML 2015.
    Xilun Chen et al.: Adversarial Deep Averaging Networks for Cross-Lingual Sentiment
    Classification. TACL 2018.
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
        """The loss of one batch of one language pair."""
        source, pivot = self._logits(pair.source), self._logits(pair.pivot)
        value = (F.softplus(-source).mean() + F.softplus(pivot).mean()) / 2
        right = ((source > 0).float().mean() + (pivot < 0).float().mean()) / 2
        return Loss(value, terms={"accuracy": right.detach()})

    def _logits(self, encoded: Encoded) -> Tensor:
        layer = self.options.layer
        if self.options.unit == "sentences":
            vectors = encoded.sentences(layer)
        else:
            words, mask = encoded.words(layer, self.options.word_vector)
            vectors = words[mask]
        vectors = raised(vectors)
        with full_precision(vectors):
            turned: Tensor = Reversal.apply(vectors, self.options.reversal)  # type: ignore[no-untyped-call]
            logits: Tensor = self.discriminator(turned)
        return logits.squeeze(1)


class Reversal(torch.autograd.Function):
    """The identity, whose gradient is multiplied by ``-factor``."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, factor: float) -> Tensor:
        """``vectors [N, D]`` as they are."""
        ctx.factor = factor
        return vectors.view_as(vectors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient turned round."""
        return -ctx.factor * gradients[0], None
