"""Attention in blocks of texts of equal length, against attention of each text by itself."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

from otx_encoders.attention import _in_blocks
from otx_encoders.packing import Packing

BLOCKS = [(2, 3), (1, 5)]
NONE = torch.empty(0, dtype=torch.long)
PACKING = Packing(BLOCKS, NONE, NONE, [], None)


def test_sums_and_gradients_are_those_of_each_text() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = [
        torch.randn(11, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    ]
    ours = _in_blocks(rows, PACKING, 0.0, 0.5)
    texts = [part.split([3, 3, 5]) for part in rows]
    alone = torch.cat(
        [
            scaled_dot_product_attention(
                *(side.transpose(0, 1) for side in text), scale=0.5
            ).transpose(0, 1)
            for text in zip(*texts, strict=True)
        ]
    )
    torch.testing.assert_close(ours, alone)
    weights = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    gradients = (torch.autograd.grad((sums * weights).sum(), rows) for sums in (ours, alone))
    for gradient, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, wanted)


def test_gradients_lie_on_the_device_of_the_states() -> None:
    rows = [torch.empty(11, 2, 4, device="meta", requires_grad=True) for _ in range(3)]
    _in_blocks(rows, PACKING, 0.0, 0.5).sum().backward()  # type: ignore[no-untyped-call]
    assert all(part.grad is not None and part.grad.is_meta for part in rows)
