"""The pull of both sides' words to where the frozen encoder had them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import raised
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import Reference, States
from otx_baselines.options import InterpolateOptions


class Interpolate(nn.Module):
    """How far the words of both sides have moved from the initial encoder's.

    ::

        loss = 1/2 (1/N sum over source words i  d(c(i), c0(i)) + 1/M sum over pivot words j  d(c(j), c0(j)))

    with c a word's vector now, c0 the frozen initial encoder's, and d the squared L2 norm of the
    difference, or 1 - cos. Each side counts half, however many words it has.

    Needs hidden states ``[B, T, D]`` of one layer and the frozen encoder's. Scope: batch, through
    the means over words.

    Neighbours: ``keep-close`` holds the pivot side only and lets the other come to it; this holds
    both where they were, so that only what another term insists on moves. Of all single terms that
    SALT tried, the strongest was such a pull (there for a sentence encoder whose tokens were never
    trained to be of use). A term beside an objective, ``--objective sinkhorn --objective
    0.5*interpolate``; alone it does nothing but even out dropout. Not with a large weight beside an
    objective that is meant to move the source side far.

    Ramirez Santos: SALT (Edinburgh); OmniSONAR-Token. Which distance they take could not be found,
    so both usual ones are offered.
    """

    def __init__(self, options: InterpolateOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Reference(options.layer)}
        self.scope: Scope = "batch"

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        initial = pair[Reference]
        source = self._moved(pair.source, initial.source)
        pivot = self._moved(pair.pivot, initial.pivot)
        return Loss((source + pivot) / 2)

    def _moved(self, now: Encoded, then: Encoded) -> Tensor:
        layer, vector = self.options.layer, self.options.word_vector
        (vectors, mask), (initial, _) = now.words(layer, vector), then.words(layer, vector)
        moved, from_ = raised(vectors[mask]), raised(initial[mask])
        if self.options.distance == "squared":
            return (moved - from_).square().sum(1).mean()
        return (1 - F.cosine_similarity(moved, from_, dim=1)).mean()
