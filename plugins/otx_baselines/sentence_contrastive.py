"""Contrast of whole sentences, with a margin, in the batch or against a queue of earlier ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import at_least_float32, no_autocast
from otx.types import EncodedPair, Loss, Scope
from otx.views import Momentum, States, View
from otx_baselines.options import SentenceContrastiveOptions


class SentenceContrastive(nn.Module):
    """Additive-margin softmax: find a sentence's translation in the batch.

    Minimises, with x_b and y_b the sentence vectors of the B pairs (means over sub-words) and s(u, v) = cos(u, v)::

        loss    = 1/2 (L(x, y) + L(y, x))
        L(x, y) = 1/B sum_b -log  e_bb / (e_bb + sum over c != b  exp(s(x_b, y_c) / temperature))
        e_bb    = exp((s(x_b, y_b) - margin) / temperature)

    With ``queue`` (MoCo, as in InfoXLM), y comes from a frozen encoder that follows the trained one as a moving average
    (``align.momentum``), and its vectors of the last ``queue`` sentences of each side are further negatives; likewise x
    in the other direction. The queue is saved in the checkpoints. It holds sentences of every language pair of the run,
    oldest first to leave; a translation of b in it, or b itself from the last epoch, is a negative like any other.
    Vectors are compared in float32.

    Args:
        options: Options of ``sentence-contrastive``. ``temperature`` (0.05, above 0); ``margin`` (0.3, at least 0);
            ``queue`` (0 sentences); ``layer`` (-1).
        dimension: Width D of the encoder's states.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``queue``: ``pair[Momentum]``: the moving average's states of the same layer.

    Scope:
        ``batch``: negatives come from the micro-batch and the queue, not from other micro-batches of a step.

    Relation to others:
        ``contrastive`` contrasts words; ``transport-contrast`` scores sentences by how well their words match. This
        objective helps retrieval most, and words follow: in a first trial, its word alignment was as good as that of
        word objectives.

    When not to use it:
        Batches of one or two pairs without a queue, which offer few negatives.

    Example:
        >>> from otx.testing import example_pair
        >>> options = SentenceContrastiveOptions(temperature=0.05, margin=0.3)
        >>> objective = SentenceContrastive(options, dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Feng et al. (2022), "Language-agnostic BERT Sentence Embedding". https://arxiv.org/abs/2007.01852
        - Yang et al. (2019), "Improving Multilingual Sentence Embedding using Bi-directional Dual Encoder with Additive
          Margin Softmax". https://arxiv.org/abs/1902.08564
        - Chi et al. (2021), "InfoXLM". https://arxiv.org/abs/2007.07834
    """

    source_queue: Tensor
    pivot_queue: Tensor
    seen: Tensor

    def __init__(self, options: SentenceContrastiveOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views: set[View[Any]] = {States(options.layer)}
        if options.queue > 0:
            self.views.add(Momentum(options.layer))
        self.scope: Scope = "batch"
        self.register_buffer("source_queue", torch.zeros(options.queue, dimension))
        self.register_buffer("pivot_queue", torch.zeros(options.queue, dimension))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair, and add its sentences to the queue.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        layer = self.options.layer
        x = unit(pair.source.sentences(layer))
        y = unit(pair.pivot.sentences(layer))
        if self.options.queue == 0:
            return Loss((self._contrast(x, y) + self._contrast(y, x)) / 2)
        keys = pair[Momentum]
        x_key = unit(keys.source.sentences(layer))
        y_key = unit(keys.pivot.sentences(layer))
        kept = min(int(self.seen), self.options.queue)
        forth = self._contrast(x, torch.cat((y_key, self.pivot_queue[:kept])))
        back = self._contrast(y, torch.cat((x_key, self.source_queue[:kept])))
        self._take_in(x_key, y_key)
        return Loss((forth + back) / 2)

    def _contrast(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Mean over ``queries [B, D]`` of how hard key b is to find among ``keys [B + Q, D]``."""
        with no_autocast(queries):
            cosine = queries @ keys.mT
            here = torch.arange(len(queries), device=queries.device)
            margin = torch.zeros_like(cosine)
            margin[here, here] = self.options.margin
            return F.cross_entropy((cosine - margin) / self.options.temperature, here)

    @torch.no_grad()
    def _take_in(self, source: Tensor, pivot: Tensor) -> None:
        size = self.options.queue
        places = (self.seen + torch.arange(len(source), device=source.device))[-size:] % size
        self.source_queue[places] = source[-size:].to(self.source_queue.dtype)
        self.pivot_queue[places] = pivot[-size:].to(self.pivot_queue.dtype)
        self.seen += len(source)


def unit(vectors: Tensor) -> Tensor:
    """Return vectors scaled to length 1, in float32 or better.

    Args:
        vectors: Vectors ``[B, D]``.
    """
    return F.normalize(at_least_float32(vectors), dim=1)
