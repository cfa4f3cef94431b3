"""The term that holds an encoder near what it was."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from otx.ot.precision import at_least_float32
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import Parameters, Reference, States, View
from otx_baselines.options import KeepCloseOptions
from otx_baselines.words import special_tokens


class KeepClose(nn.Module):
    """Distance of the pivot side's words, or of the parameters, from the initial encoder.

    Minimises, for ``kind = "hidden"``, over the N words of the batch's pivot side (usually English), with c(i) a word's
    vector and c0(i) the initial encoder's::

        mean  1/N sum_i sum_d (c(i)_d - c0(i)_d)^2      sum  N times that      mse  1/D times that

    Alqahtani et al. (2021, eq. 2) write the sum of squared L2 norms, beside a divergence that is a mean over words.
    Cao et al. write the sum too; their code computes ``mse``, with special tokens. The mean is the default, because its
    balance with another mean does not depend on the batch size.

    For ``kind = "parameters"``: ``||theta - theta0||_2``, the root of the sum of squared differences over all
    parameters of the encoder (not its square), as in the code of Wu & Dredze. Its gradient has norm 1 however small the
    distance, and is 0 at the start.

    Args:
        options: Options of ``keep-close``. ``kind`` ("hidden"); ``reduction`` ("mean"); ``special_tokens`` (False) also
            holds the first and last special tokens; ``layer`` (-1); ``word_vector`` ("last").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``hidden``: ``pair.pivot`` and ``pair[Reference].pivot``: states ``[B, T, D]`` of layer ``options.layer``.
        - ``parameters``: ``pair[Parameters]``: current and initial tensors.

    Scope:
        ``mean`` over the pivot words for the reductions ``mean`` and ``mse``; otherwise ``batch``.

    Relation to others:
        A term to combine with an objective: ``--objective l2 --objective 1.0*keep-close``. ``interpolate`` holds both
        sides. otx adds ``0.1*keep-close`` by default (``align.keep_close``).

    When not to use it:
        Alone: it changes nothing. Also not if another term holds the pivot side, or if the pivot side should improve.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = KeepClose(KeepCloseOptions(reduction="mse"), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value >= 0)
        (torch.Size([]), True)

    References:
        - Alqahtani et al. (2021), "Using Optimal Transport as Alignment Objective for fine-tuning Multilingual
          Contextualized Embeddings". https://arxiv.org/abs/2110.02887
        - Cao, Kitaev & Klein (2020). https://arxiv.org/abs/2002.03518
        - Wu & Dredze (2020). https://arxiv.org/abs/2010.02537
    """

    def __init__(self, options: KeepCloseOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views: set[View[Any]] = (
            {Parameters()}
            if options.kind == "parameters"
            else {States(options.layer), Reference(options.layer, side="pivot")}
        )
        total = options.kind == "hidden" and options.reduction == "sum"
        self.scope: Scope = "batch" if total else "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
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
        words = at_least_float32(vectors[mask])
        if options.special_tokens:
            words = torch.cat((words, special_tokens(encoded, options.layer)))
        return words

    def _moved_parameters(self, pair: EncodedPair) -> Tensor:
        distances = [_norm(at_least_float32(now - then)) for now, then in pair[Parameters]]
        return _norm(torch.stack(distances))


def _norm(tensor: Tensor) -> Tensor:
    """The L2 norm ``[]`` of all entries; its gradient at 0 is 0, where a root's is infinite."""
    norm: Tensor = torch.linalg.vector_norm(tensor)
    return norm
