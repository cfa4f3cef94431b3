"""A learned linear map between the sides of linked words."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations

from otx.ot.precision import full_precision
from otx.types import EncodedPair, Loss, Scope
from otx.views import Links, States
from otx_baselines.options import LinearOptions
from otx_baselines.words import linked_words


class Linear(nn.Module):
    """The mean squared difference of linked words after a linear map of the source side.

    ::

        loss = 1 / (L D)  sum over links (s, t)  || M x_s - y_t ||^2

    over the L links of the batch; M ``[D, D]`` begins as the identity, so that the loss begins as
    ``l2``'s. With ``orthogonal`` M only turns and mirrors (torch's parametrisation, exact at every
    step; a penalty would only be near). A batch without links has a loss of 0.

    Both M and the encoder are trained. Wu & Dredze's linear mapping leaves the encoder alone: that
    is ``--set 'encoder.freeze=["embeddings","lower","upper"]' --set align.keep_close=0``. M is in the
    run's checkpoints (``objective/``) and is not applied when the model is loaded, since an encoder
    is not told which language a text is in: a run with a frozen encoder is a study of how far apart
    the languages are by a map, not a model to use.

    Needs hidden states ``[B, T, D]`` of one layer and links ``[L, 3]``. Scope: batch, through the
    mean.

    Neighbours: ``l2`` is this without the map, and moves the encoder all the way; here the map may
    take up what differs everywhere alike, and leave to the encoder what differs from word to word.

    Shijie Wu, Mark Dredze: Do Explicit Alignments Robustly Improve Multilingual Encoders? EMNLP
    2020. Yuxuan Wang et al.: Cross-Lingual BERT Transformation for Zero-Shot Dependency Parsing.
    EMNLP 2019.
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
        """The loss of one batch of one language pair."""
        options = self.options
        source, pivot = linked_words(pair, options.layer, options.word_vector)
        with full_precision(source):
            difference = self.map(source) - pivot
        value = difference.square().sum() / max(difference.numel(), 1)
        return Loss(value, count=len(difference))
