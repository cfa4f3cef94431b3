"""Attention within each text of a packed row, for models that use transformers' attention interface."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from otx_encoders.compiled.attention import attend_compiled, is_compiled_for
from otx_encoders.compiled.dropout import drop
from otx_encoders.packing import Packing

NAME = "otx-packed"
"""Name of the attention in transformers' interface."""
HALF = (torch.bfloat16, torch.float16)
_HARMLESS = {
    "output_attentions",
    "output_hidden_states",
    "position_ids",
    "return_dict",
    "use_cache",
}
"""Arguments that attention within whole texts does not depend on."""


class UnknownAttentionError(Exception):
    """A model's attention is more than a softmax over all sub-words of a text."""


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Packing | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attend within each text; without a packing, PyTorch's attention.

    Args:
        module: The layer's attention.
        query: Queries ``[1, H, N, D]`` of the row, or ``[B, H, T, D]`` of padded texts.
        key: Keys of the same shape.
        value: Values of the same shape.
        attention_mask: Mask of padded texts; None for a row.
        dropout: Share of the attention that is dropped.
        scaling: Factor of the products.
        packing: The texts of the row.
        **more: Further arguments of transformers.

    Returns:
        The sums ``[1, N, H, D]``, and None.

    Raises:
        UnknownAttentionError: If the layer asks for another attention.
    """
    if packing is None:
        padded: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return padded
    unknown = {name for name, value in more.items() if value is not None} - _HARMLESS
    unknown |= {"attention_mask"} if attention_mask is not None else set()
    if unknown or getattr(module, "is_causal", True) or query.shape != key.shape:
        raise UnknownAttentionError(f"{type(module).__name__}: {sorted(unknown)}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # The row's sub-words in the first dimension [N, H, D], as the linear maps left them.
    rows = [part.squeeze(0).transpose(0, 1) for part in (query, key, value)]
    if packing.bounds is not None and query.dtype in HALF:
        return _on_gpu(rows, packing, dropout, scale).unsqueeze(0), None
    if is_compiled_for(rows, packing.blocks):
        return attend_compiled(rows, packing.blocks, dropout, scale).unsqueeze(0), None
    return _in_blocks(rows, packing, dropout, scale).unsqueeze(0), None


def register() -> None:
    """Add the attention to transformers' interface."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def _in_blocks(rows: list[Tensor], packing: Packing, dropout: float, scale: float) -> Tensor:
    """Attend in blocks of texts of equal length, which are neighbours in the row."""
    sums: Tensor = _Blocks.apply(*rows, packing.blocks, dropout, scale)  # type: ignore[no-untyped-call]
    return sums


class _Blocks(torch.autograd.Function):
    """Attention in blocks, written without the copies that splitting, joining and their gradients would make."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        blocks: list[tuple[int, int]],
        dropout: float,
        scale: float,
    ) -> Tensor:
        sums = torch.empty_like(value)
        kept: list[Tensor] = []
        for place, size in zip(_slices(blocks), blocks, strict=True):
            q, k, v = (_heads_first(part[place], size) for part in (query, key, value))
            # The first argument counts zero times.
            products = torch.baddbmm(q.new_zeros(1), q, k.transpose(1, 2), beta=0, alpha=scale)
            # Autocast would choose float32, which the next product would round again.
            weights = products.softmax(-1, dtype=products.dtype)
            factors = [drop(torch.ones_like(weights), dropout)] if dropout else []
            _write(sums[place], torch.bmm(_times(weights, factors), v), size)
            kept += [q, k, v, weights, *factors]
        ctx.save_for_backward(*kept)
        ctx.blocks, ctx.scale, ctx.step = blocks, scale, 5 if dropout else 4
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), kept = gradients, ctx.saved_tensors
        results = [gradient.new_empty(gradient.shape) for _ in range(3)]
        for number, (place, size) in enumerate(zip(_slices(ctx.blocks), ctx.blocks, strict=True)):
            first = number * ctx.step
            q, k, v, weights, *factors = kept[first : first + ctx.step]
            none, outer = q.new_zeros(1), _heads_first(gradient[place], size)
            inner = _times(torch.bmm(outer, v.transpose(1, 2)), factors)
            inner = torch._softmax_backward_data(inner, weights, -1, weights.dtype)
            parts = (
                torch.baddbmm(none, inner, k, beta=0, alpha=ctx.scale),
                torch.baddbmm(none, inner.transpose(1, 2), q, beta=0, alpha=ctx.scale),
                torch.bmm(_times(weights, factors).transpose(1, 2), outer),
            )
            for result, part in zip(results, parts, strict=True):
                _write(result[place], part, size)
        return *results, None, None, None


def _slices(blocks: list[tuple[int, int]]) -> list[slice]:
    ends = np.cumsum([count * length for count, length in blocks]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _heads_first(rows: Tensor, size: tuple[int, int]) -> Tensor:
    """Return rows ``[N, H, D]`` of equally long texts as ``[texts * H, length, D]``."""
    _, heads, width = rows.shape
    return rows.reshape(*size, heads, width).transpose(1, 2).reshape(-1, size[1], width)


def _write(rows: Tensor, block: Tensor, size: tuple[int, int]) -> None:
    """Write a block ``[texts * H, length, D]`` into its rows ``[N, H, D]``."""
    count, length = size
    _, heads, width = rows.shape
    target = rows.view(count, length, heads, width).transpose(1, 2)
    target.copy_(block.view(count, heads, length, width))


def _times(values: Tensor, factors: list[Tensor]) -> Tensor:
    return values * factors[0] if factors else values


def _on_gpu(rows: list[Tensor], packing: Packing, dropout: float, scale: float) -> Tensor:
    """Attend by flash attention over texts of different lengths.

    ``torch.nn.attention.varlen`` calls the same operation, but without dropout.
    """
    query, key, value = (part.contiguous() for part in rows)
    longest = packing.blocks[-1][1]
    sums: Tensor = torch.ops.aten._flash_attention_forward(
        query,
        key,
        value,
        packing.bounds,
        packing.bounds,
        longest,
        longest,
        dropout,
        False,
        return_debug_mask=False,
        scale=scale,
    )[0]
    return sums


@cache
def works_on_gpu(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Return whether flash attention over texts of different lengths gives the sums and gradients that it should.

    Args:
        device: A CUDA device.
        dtype: Type of queries, keys and values.
        width: Width of a head.
    """
    if dtype not in HALF:
        return False
    with (
        torch.random.fork_rng(devices=[device]),
        torch.enable_grad(),
        torch.autocast("cuda", enabled=False),
    ):
        bounds = torch.tensor([0, 3, 10], dtype=torch.int32, device=device)
        empty = torch.empty(0, dtype=torch.long, device=device)
        packing = Packing([(1, 3), (1, 7)], empty, empty, [], bounds)
        draw = torch.randn(3, 10, 2, width, device=device, dtype=dtype)
        rows = [part.clone().requires_grad_() for part in draw]
        twins = [part.clone().float().requires_grad_() for part in draw]
        try:
            _on_gpu(rows, packing, 0.1, 0.1).sum().backward()  # type: ignore[no-untyped-call]
            for part in rows:
                part.grad = None
            sums = _on_gpu(rows, packing, 0.0, 0.1)
            (sums**2).sum().backward()  # type: ignore[no-untyped-call]
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return False
        expected = _in_blocks(twins, packing, 0.0, 0.1)
        (expected**2).sum().backward()  # type: ignore[no-untyped-call]
        pairs = [(sums, expected), *((a.grad, b.grad) for a, b in zip(rows, twins, strict=True))]
        return all(
            one is not None and torch.allclose(one.float(), other, atol=0.1, rtol=0.05)
            for one, other in pairs
        )
