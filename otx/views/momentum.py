"""Hidden states of both sides by an exponential moving average of the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from otx.views.layer_view import LayerView

if TYPE_CHECKING:
    from otx.config.schema import AlignSettings


@dataclass(frozen=True)
class Momentum(LayerView):
    """Hidden states ``[B, T, D]`` of one layer by the moving average: ``pair[Momentum].source`` and ``.pivot``.

    The moving average takes in the encoder before every step, with the decay ``align.momentum``.
    """

    label: ClassVar[str] = "momentum"
    summary: ClassVar[str] = (
        "hidden states of one layer by a moving average of the encoder (`align.momentum`)"
    )
    encoder: ClassVar[str] = "momentum"

    def auxiliary(self, align: AlignSettings) -> frozenset[str]:
        """Ask for the moving average."""
        return frozenset({"momentum"})
