"""Attention within each text of a packed row, for models that use transformers' attention interface."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from otx_encoders.dropout import drop
from otx_encoders.packing import Packing

NAME = "otx-packed"
"""Name of the attention in transformers' interface."""
SHORT = 64
"""Texts up to this length are faster with plain matrix products than with PyTorch's fused attention on the CPU."""
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
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
    unknown = {name for name, value in more.items() if value is not None} - _HARMLESS
    unknown |= {"attention_mask"} if attention_mask is not None else set()
    if unknown or getattr(module, "is_causal", True) or query.shape != key.shape:
        raise UnknownAttentionError(f"{type(module).__name__}: {sorted(unknown)}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # The row's sub-words in the first dimension [N, H, D], as the linear maps left them.
    rows = [part.squeeze(0).transpose(0, 1) for part in (query, key, value)]
    if packing.bounds is not None and query.dtype in HALF:
        return _on_gpu(rows, packing, dropout, scale).unsqueeze(0), None
    return _in_blocks(rows, packing, dropout, scale).unsqueeze(0), None


def register() -> None:
    """Add the attention to transformers' interface."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def _in_blocks(rows: list[Tensor], packing: Packing, dropout: float, scale: float) -> Tensor:
    """Attend in blocks of texts of equal length, which are neighbours in the row."""
    _, heads, width = rows[0].shape
    sizes = [count * length for count, length in packing.blocks]
    sums = []
    for (count, length), *parts in zip(
        packing.blocks, *(part.split(sizes) for part in rows), strict=True
    ):
        shape = (count, length, heads, width)
        query, key, value = (part.reshape(shape).transpose(1, 2) for part in parts)
        if length > SHORT and not dropout:
            block = functional.scaled_dot_product_attention(query, key, value, scale=scale)
        else:
            block = _attend(query, key, value, dropout, scale)
        sums.append(block.transpose(1, 2).reshape(-1, heads, width))
    return torch.cat(sums)


def _attend(query: Tensor, key: Tensor, value: Tensor, dropout: float, scale: float) -> Tensor:
    """Attend by plain products ``[B, H, T, D]``."""
    shape = query.shape
    query, key, value = (part.reshape(-1, *shape[2:]) for part in (query, key, value))
    # Its first argument counts zero times.
    products = torch.baddbmm(query.new_zeros(1), query, key.transpose(1, 2), beta=0, alpha=scale)
    return torch.bmm(drop(products.softmax(-1), dropout), value).view(shape)


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
    with torch.random.fork_rng(devices=[device]), torch.enable_grad(), torch.autocast("cuda", enabled=False):
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
        except RuntimeError:
            return False
        expected = _in_blocks(twins, packing, 0.0, 0.1)
        (expected**2).sum().backward()  # type: ignore[no-untyped-call]
        pairs = [(sums, expected), *((a.grad, b.grad) for a, b in zip(rows, twins, strict=True))]
        return all(
            one is not None and torch.allclose(one.float(), other, atol=0.1, rtol=0.05)
            for one, other in pairs
        )
