"""Encode texts without padding: the real sub-words of all texts form one row of ``[1, N]`` sub-words.

Every part of an encoder except attention treats each sub-word by itself. So the model gets the row as one text, with
the position of each sub-word, and its attention is replaced by one that keeps the texts apart. This is transformers'
attention interface: https://huggingface.co/docs/transformers/attention_interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from otx.types import TokenBatch
from otx_encoders.collation import copied_to


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """The order of the texts in the row, by ascending length, and where their sub-words are in the padded batches.

    Attributes:
        blocks: Texts of equal length, as (number of texts, length), ascending by length.
        positions: Position of each sub-word in its text, from 0 ``[1, N]``.
        places: Place of each sub-word in the padded batches, which follow one another flattened ``[N]``.
        rows: For each padded batch, the number in the row of each of its places ``[B * T]``; padding has the number of
            its text's last sub-word.
        bounds: Where each text starts and where the last one ends, as int32 on a CUDA device ``[texts + 1]``; None on
            other devices.
    """

    blocks: list[tuple[int, int]]
    positions: Tensor
    places: Tensor
    rows: list[Tensor]
    bounds: Tensor | None

    def pack(self, padded: Sequence[Tensor]) -> Tensor:
        """Return the real entries of padded batches as one row.

        Args:
            padded: Tensors ``[B, T]``, one for each batch.

        Returns:
            The row ``[1, N]``.
        """
        flat = torch.cat([part.reshape(-1) for part in padded])
        return flat[self.places].unsqueeze(0)

    def unpack(self, row: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
        """Return hidden states as padded batches; padding repeats a text's last sub-word and sends no gradient back.

        Args:
            row: Hidden states ``[1, N, D]``.
            shapes: Shapes ``[B, T]`` of the batches.

        Returns:
            States ``[B, T, D]``, one tensor for each batch.
        """
        padded = _Unpack.apply(row.squeeze(0), self.places, *self.rows)  # type: ignore[no-untyped-call]
        return [part.view(*shape, -1) for part, shape in zip(padded, shapes, strict=True)]


def make_packing(batches: Sequence[TokenBatch]) -> Packing | None:
    """Return the packing of batches that are encoded together.

    Args:
        batches: Padded batches on one device.

    Returns:
        The packing; None if a batch is not padded on the right, or has a text without sub-words.
    """
    lengths_of_batches = [_lengths(batch) for batch in batches]
    if any(lengths is None or not lengths.all() for lengths in lengths_of_batches):
        return None
    shapes = [batch.ids.shape for batch in batches]
    sizes = np.cumsum([0, *(rows * width for rows, width in shapes)])
    starts = np.concatenate(
        [
            first + width * np.arange(rows)
            for first, (rows, width) in zip(sizes, shapes, strict=False)
        ]
    )
    lengths: np.ndarray = np.concatenate(lengths_of_batches)  # type: ignore[arg-type]
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    ends = np.cumsum(ordered)
    firsts = np.empty_like(ends)
    firsts[order] = ends - ordered
    positions = np.arange(ends[-1]) - np.repeat(ends - ordered, ordered)
    numbers, text = [], 0
    for rows, width in shapes:
        these = slice(text, text + rows)
        places = np.minimum(np.arange(width), lengths[these, None] - 1)
        numbers.append((firsts[these, None] + places).reshape(-1))
        text += rows
    device = batches[0].ids.device
    bounds = np.concatenate(([0], ends)).astype(np.int32)
    return Packing(
        [(len(list(group)), int(length)) for length, group in groupby(ordered.tolist())],
        copied_to(device, positions).unsqueeze(0),
        copied_to(device, np.repeat(starts[order], ordered) + positions),
        [copied_to(device, part) for part in numbers],
        copied_to(device, bounds) if device.type == "cuda" else None,
    )


def _lengths(batch: TokenBatch) -> np.ndarray | None:
    """Return the length of each text; None if the padding is not on the right."""
    if batch.lengths is not None:
        return np.asarray(batch.lengths)
    mask = batch.mask.cpu().numpy()
    lengths: np.ndarray = mask.sum(1)
    right = (mask == (np.arange(mask.shape[1]) < lengths[:, None])).all()
    return lengths if right else None


class _Unpack(torch.autograd.Function):
    """Rows at numbers; the gradient of the rows is read at their places, which is ten times faster than adding."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, row: Tensor, places: Tensor, *numbers: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(places)
        return tuple(row.index_select(0, part) for part in numbers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        return torch.cat(gradients).index_select(0, places), None, *(None for _ in gradients)
