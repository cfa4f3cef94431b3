"""The pull of both sides' words to where the frozen encoder had them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from otx.ot.precision import at_least_float32
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import Reference, States
from otx_baselines.options import InterpolateOptions


class Interpolate(nn.Module):
    """Distance of both sides' words from the initial encoder's.

    Minimises::

        loss = 1/2 (1/N sum over source words i  d(c(i), c0(i)) + 1/M sum over pivot words j  d(c(j), c0(j)))

    with c a word's vector, c0 the initial encoder's, and d the squared L2 norm of the difference, or 1 - cos. Each side
    counts half, whatever its number of words.

    Args:
        options: Options of ``interpolate``. ``distance`` ("squared"); ``layer`` (-1); ``word_vector`` ("last").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - ``pair[Reference]``: the initial encoder's states of the same layer, of both sides.

    Scope:
        ``batch``: the two means have different numbers of words.

    Relation to others:
        ``keep-close`` holds the pivot side only and lets the other side approach it. This term holds both sides, so
        that only what another term insists on moves. A term to combine with an objective: ``--objective sinkhorn
        --objective 0.5*interpolate``. Of all single terms that SALT tried, the strongest was such a pull (there for a
        sentence encoder whose tokens were never trained to be useful). Which distance SALT and OmniSONAR-Token use
        could not be found, so both usual ones are offered.

    When not to use it:
        Alone: it only evens out dropout. Also not with a large weight next to an objective that should move the source
        side far.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Interpolate(InterpolateOptions(distance="cosine"), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value >= 0)
        (torch.Size([]), True)

    References:
        - Ramirez Santos, "SALT" (University of Edinburgh); OmniSONAR-Token.
    """

    def __init__(self, options: InterpolateOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Reference(options.layer)}
        self.scope: Scope = "batch"

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        initial = pair[Reference]
        source = self._moved(pair.source, initial.source)
        pivot = self._moved(pair.pivot, initial.pivot)
        return Loss((source + pivot) / 2)

    def _moved(self, now: Encoded, then: Encoded) -> Tensor:
        layer, vector = self.options.layer, self.options.word_vector
        (vectors, mask), (initial, _) = now.words(layer, vector), then.words(layer, vector)
        moved, from_ = at_least_float32(vectors), at_least_float32(initial)
        if self.options.distance == "squared":
            distance = (moved - from_).square().sum(2)
        else:
            distance = 1 - F.cosine_similarity(moved, from_, dim=2)
        # Counted on the device: the host does not wait for it.
        return distance.masked_fill(~mask, 0).sum() / mask.sum()
