"""Task heads: what is put on a fresh encoder and learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from otx.types import Encoded, TokenBatch

INITIAL_DEVIATION = 0.02
LAST = -1


class SpanHead(nn.Module):
    """Start and end logits ``[B, T, 2]``: one linear map of each sub-word (Devlin et al. 2019, section 4.2)."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.out = linear(dimension, 2)

    def forward(self, encoded: Encoded) -> Tensor:
        """``[B, T, 2]`` from the last layer's states."""
        logits: Tensor = self.out(encoded.tokens[LAST])
        return logits


class FirstTokenHead(nn.Module):
    """Class logits ``[B, C]`` from the first token: dropout, dense, tanh, dropout, out (RoBERTa's head)."""

    def __init__(self, dimension: int, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.dense = linear(dimension, dimension)
        self.out = linear(dimension, classes)

    def forward(self, encoded: Encoded) -> Tensor:
        """``[B, C]`` from the last layer's states."""
        first = self.dropout(encoded.tokens[LAST][:, 0])
        logits: Tensor = self.out(self.dropout(torch.tanh(self.dense(first))))
        return logits


class ReorderedHead(nn.Module):
    """A checkpoint's own head, its classes put into another order: column i becomes class ``order[i]``."""

    def __init__(self, head: nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.head = head
        self.order = list(order)

    def forward(self, batch: TokenBatch) -> Tensor:
        """``[B, C]`` from the padded texts: a carried head holds its encoder."""
        logits: Tensor = self.head(batch)
        return logits[:, self.order]


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear map as BERT begins one: weights of deviation .02, no bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=INITIAL_DEVIATION)
    nn.init.zeros_(layer.bias)
    return layer
