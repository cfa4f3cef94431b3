"""A checkpoint's own head with its classes in a task's order."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from otx.types import TokenBatch


class ReorderedHead(nn.Module):
    """A head whose logits are permuted.

    Args:
        head: The head; it shares the encoder's weights.
        order: Class of ``head`` that becomes class i, for each i.
    """

    def __init__(self, head: nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.head = head
        self.order = list(order)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Return logits ``[B, C]`` or ``[B, T, C]``.

        Args:
            batch: Padded texts.
        """
        logits: Tensor = self.head(batch)
        return logits[..., self.order]
