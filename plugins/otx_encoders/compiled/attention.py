"""Attention within the texts of a row on the CPU, by the machine code of ``attention_kernel``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from otx_encoders.compiled.dropout import draw_rule
from otx_encoders.compiled.launch import Array, equal_parts, launch

TILE = 8
"""Width of a head must be a multiple of this."""
LEAST = 2**14
"""Products of queries and keys, over all heads, below which PyTorch's operations are used."""
THREADED = 2**15
"""Products of queries and keys, over all heads, from which more than one thread pays."""


def is_compiled_for(rows: list[Tensor], blocks: list[tuple[int, int]]) -> bool:
    """Return whether the machine code takes these rows.

    They must be in float32 on the CPU, with heads of a width that fills registers, and of some number: loading machine
    code takes a second, which a trial of a model or a few sentences do not earn.

    Args:
        rows: Queries, keys and values ``[N, H, D]``.
        blocks: Texts of equal length, as (number of texts, length).
    """
    shape = rows[0].shape
    weights = shape[1] * sum(texts * length**2 for texts, length in blocks)
    return (
        weights >= LEAST
        and shape[2] % TILE == 0
        and all(
            part.device.type == "cpu" and part.dtype == torch.float32 and part.shape == shape
            for part in rows
        )
    )


def attend_compiled(
    rows: list[Tensor], blocks: list[tuple[int, int]], dropout: float, scale: float
) -> Tensor:
    """Attend within each text.

    Args:
        rows: Queries, keys and values ``[N, H, D]`` in float32.
        blocks: Texts of equal length, as (number of texts, length), in the order of the rows.
        dropout: Share of the attention that is dropped.
        scale: Factor of the products.

    Returns:
        The weighted sums of the values ``[N, H, D]``.
    """
    # Inside of the function, gradients are off.
    keep = torch.is_grad_enabled() and any(part.requires_grad for part in rows)
    sums: Tensor = _Compiled.apply(*rows, blocks, dropout, scale, keep)  # type: ignore[no-untyped-call]
    return sums


class _Texts:
    """Where texts and their attention weights are, and the heads of texts that each thread takes."""

    def __init__(self, blocks: list[tuple[int, int]], heads: int) -> None:
        counts, lengths = np.array(blocks, np.int64).T
        lengths = np.repeat(lengths, counts)
        self.bounds = np.concatenate(([0], np.cumsum(lengths)))
        ends = np.cumsum(np.repeat(lengths**2, heads))
        self.places = np.concatenate(([0], ends[:-1]))
        self.weights = int(ends[-1])
        self.parts = equal_parts(ends, THREADED)

    def run(
        self, kernel: Callable[..., None], inputs: tuple[Any, ...], outputs: list[Array]
    ) -> None:
        """Call the kernel."""
        arguments = *inputs, self.parts, self.places, *outputs
        launch(kernel, self.parts, arguments)


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        blocks: list[tuple[int, int]],
        dropout: float,
        scale: float,
        keep: bool,
    ) -> Tensor:
        from otx_encoders.compiled.attention_kernel import attend

        heads = query.shape[1]
        texts = _Texts(blocks, heads)
        seed, threshold, kept_scale = (0, 0), 0, 1.0
        if dropout > 0:
            seed, threshold, kept_scale = draw_rule(dropout)
        sides = [_flat(part) for part in (query, key, value)]
        sums = query.new_empty(query.shape)
        weights = query.new_empty(texts.weights if keep else 0)
        inputs = *_arrays(sides), texts.bounds, heads, scale, seed, threshold, kept_scale
        texts.run(attend, inputs, _arrays([weights, _flat(sums)]))
        ctx.save_for_backward(*sides, weights)
        ctx.texts, ctx.heads, ctx.scale, ctx.kept_scale = texts, heads, scale, kept_scale
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        from otx_encoders.compiled.attention_kernel import attend_backward

        *sides, weights = ctx.saved_tensors
        results = [sides[0].new_empty(gradients[0].shape) for _ in sides]
        inputs = *_arrays(sides), ctx.texts.bounds, ctx.heads, ctx.scale, ctx.kept_scale
        outputs = _arrays([weights, _flat(gradients[0]), *map(_flat, results)])
        ctx.texts.run(attend_backward, inputs, outputs)
        return *results, None, None, None, None


def _flat(rows: Tensor) -> Tensor:
    """Return rows ``[N, H, D]`` as ``[N, H * D]``."""
    return rows.contiguous().view(rows.shape[0], -1)


def _arrays(tensors: list[Tensor]) -> list[Array]:
    return [tensor.detach().numpy() for tensor in tensors]
