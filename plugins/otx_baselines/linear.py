"""A learned linear map between the sides of linked words."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations

from otx.ot.precision import no_autocast
from otx.types import EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import LinearOptions
from otx_baselines.words import linked_words


class Linear(nn.Module):
    """Mean squared difference of linked words after a linear map of the source side.

    Minimises::

        loss = 1 / (L D)  sum over links (s, t)  || M x_s - y_t ||^2

    over the L links of the batch. M ``[D, D]`` starts as the identity, so the loss starts as that of ``l2``. A batch
    without links has loss 0. Both M and the encoder are trained. M is saved in the run's checkpoints (``objective/``)
    and is not applied when the model is loaded, because an encoder does not know the language of its input.

    Args:
        options: Options of ``linear``. ``orthogonal`` (False) restricts M to rotations and reflections, exactly at
            every step (torch's parametrisation); ``layer`` (-1); ``word_vector`` ("last").
        dimension: Width D of the encoder's states.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - ``pair[Links]``: word links ``[L, 3]``: (pair in the batch, source word, pivot word).

    Scope:
        ``mean`` over the links.

    Relation to others:
        ``l2`` is the same without the map, and moves the encoder all the way. Here the map can absorb what differs
        everywhere alike, and leaves to the encoder what differs from word to word. The linear mapping of Wu & Dredze
        leaves the encoder alone: ``--set 'encoder.freeze=["embeddings","lower","upper"]' --set align.keep_close=0``.

    When not to use it:
        To produce a model with a frozen encoder: such a run only studies how far apart the languages are by a map.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Linear(LinearOptions(orthogonal=True), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Wu & Dredze (2020). https://arxiv.org/abs/2010.02537
        - Wang et al. (2019), "Cross-Lingual BERT Transformation for Zero-Shot Dependency Parsing".
          https://arxiv.org/abs/1909.06775
    """

    def __init__(self, options: LinearOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Links()}
        self.scope: Scope = "mean"
        self.map: nn.Module = nn.Linear(dimension, dimension, bias=False)
        with torch.no_grad():
            self.map.weight.copy_(torch.eye(dimension))
        if options.orthogonal:
            self.map = parametrizations.orthogonal(self.map)

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        options = self.options
        source, pivot = linked_words(pair, options.layer, options.word_vector)
        with no_autocast(source):
            difference = self.map(source) - pivot
        value = difference.square().sum() / max(difference.numel(), 1)
        return Loss(value, count=len(difference))
