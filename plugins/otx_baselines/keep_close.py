"""The term that holds an encoder near what it was."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from otx.ot.precision import raised
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import Parameters, Reference, States, View
from otx_baselines.options import KeepCloseOptions
from otx_baselines.words import special_tokens


class KeepClose(nn.Module):
    """How far the pivot side's words, or the parameters, have moved from the initial encoder.

    ``hidden``: over the N words of the batch's pivot side (English, as a rule), with c(i) a word's
    vector now and c0(i) the frozen initial encoder's::

        mean  1/N sum_i sum_d (c(i)_d - c0(i)_d)^2      sum  N times that      mse  1/D times that

    Alqahtani et al. (2021, eq. 2) write the sum, of squared L2 norms, beside a divergence that is a
    mean over words; Cao et al. write the sum too, and their code takes ``mse``, with special tokens
    (``special_tokens``: the first and last of each sequence). The mean is the default because the
    balance with a term that is a mean does not depend on the size of the batch.

    ``parameters``: ``||theta - theta0||_2``, the square root of the sum over all of the encoder's
    parameters of the squared difference, not its square, as in Wu & Dredze's code. Its gradient has
    norm 1 however small the distance, and is 0 at the start.

    Needs hidden states of one layer and the frozen encoder's, or the current and initial
    parameters. Scope: batch, through the mean over words; ``parameters`` reads no words.

    A term beside an objective, ``--objective l2 --objective 1.0*keep-close``; alone it does
    nothing. Not needed where another term holds the pivot side, and not wanted where the pivot side
    is to improve.

    Sawsan Alqahtani et al.: Using Optimal Transport as Alignment Objective for fine-tuning
    Multilingual Contextualized Embeddings. Findings of EMNLP 2021. Cao et al., ICLR 2020. Wu &
    Dredze, EMNLP 2020.
    """

    def __init__(self, options: KeepCloseOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views: set[View[Any]] = (
            {Parameters()}
            if options.kind == "parameters"
            else {States(options.layer), Reference(options.layer)}
        )
        total = options.kind == "hidden" and options.reduction == "sum"
        self.scope: Scope = "batch" if total else "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        if self.options.kind == "parameters":
            return Loss(self._moved_parameters(pair), count=len(pair))
        return self._moved_words(pair)

    def _moved_words(self, pair: EncodedPair) -> Loss:
        moved = self._words(pair.pivot) - self._words(pair[Reference].pivot)
        total = moved.square().sum()
        words, dimensions = moved.shape
        over = {"sum": 1, "mean": words, "mse": words * dimensions}[self.options.reduction]
        return Loss(total / max(over, 1), count=words)

    def _words(self, encoded: Encoded) -> Tensor:
        options = self.options
        vectors, mask = encoded.words(options.layer, options.word_vector)
        words = raised(vectors[mask])
        if options.special_tokens:
            words = torch.cat((words, special_tokens(encoded, options.layer)))
        return words

    def _moved_parameters(self, pair: EncodedPair) -> Tensor:
        distances = [_norm(raised(now - then)) for now, then in pair[Parameters]]
        return _norm(torch.stack(distances))


def _norm(tensor: Tensor) -> Tensor:
    """The L2 norm ``[]`` of all entries; its gradient at 0 is 0, where a root's is infinite."""
    norm: Tensor = torch.linalg.vector_norm(tensor)
    return norm
