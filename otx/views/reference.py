"""Hidden states of both sides by the frozen initial encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from otx.views.context import SIDES, Side
from otx.views.layer_view import LayerView

if TYPE_CHECKING:
    from otx.config.schema import AlignSettings


@dataclass(frozen=True)
class Reference(LayerView):
    """Hidden states ``[B, T, D]`` of one layer by the initial encoder: ``pair[Reference].source`` and ``.pivot``.

    Attributes:
        side: The side that the objective reads, or ``both``. The other side is not encoded, and has no layers.
    """

    side: Literal["both", "source", "pivot"] = "both"

    label: ClassVar[str] = "reference"
    summary: ClassVar[str] = "hidden states of one layer by the frozen initial encoder"
    encoder: ClassVar[str] = "reference"

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides whose states are computed."""
        return SIDES if self.side == "both" else (self.side,)

    def auxiliary(self, align: AlignSettings) -> frozenset[str]:
        """Ask for the initial encoder."""
        return frozenset({"reference"})
