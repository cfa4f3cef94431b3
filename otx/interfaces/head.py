"""The base class of task heads; it imports torch, so import it from here."""

from __future__ import annotations

from torch import Tensor, nn

from otx.types import TokenBatch


class Head(nn.Module):
    """A task head with its encoder: maps a TokenBatch to logits.

    ``Encoder.carried_head`` and ``Encoder.fresh_head`` return one.

    Attributes:
        labels: Names of the classes in the order of their logits; empty for question answering.
    """

    labels: tuple[str, ...] = ()

    def forward(self, batch: TokenBatch) -> Tensor:
        """Compute logits.

        Args:
            batch: A batch ``[B, T]`` of the encoder's ``collate``.

        Returns:
            Logits: ``[B, T, 2]`` (start, end) for spans, ``[B, C]`` for classes of texts, ``[B, T, C]`` for classes of
            sub-words.
        """
        raise NotImplementedError
