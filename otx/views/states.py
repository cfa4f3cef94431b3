"""Hidden states of both sides by the encoder that is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from otx.views.context import TRAINED
from otx.views.layer_view import LayerView


@dataclass(frozen=True)
class States(LayerView):
    """Hidden states of one layer, read as ``pair.source`` and ``pair.pivot``.

    States are ``[B, T, D]``; ``Encoded.words`` and ``Encoded.sentences`` make word and sentence vectors of them.
    """

    label: ClassVar[str] = "states"
    summary: ClassVar[str] = "hidden states of one layer of both sides"
    holds_sides: ClassVar[bool] = True
    encoder: ClassVar[str] = TRAINED
