"""A checkpoint's own head, its classes in a task's order."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from otx.types import TokenBatch


class ReorderedHead(nn.Module):
    """Column i of the logits becomes class ``order[i]`` of the head that is within."""

    def __init__(self, head: nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.head = head
        self.order = list(order)

    def forward(self, batch: TokenBatch) -> Tensor:
        """``[B, C]`` or ``[B, T, C]`` from the padded texts: a carried head holds its encoder."""
        logits: Tensor = self.head(batch)
        return logits[..., self.order]
