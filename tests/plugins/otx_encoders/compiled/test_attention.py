"""Attention in machine code, against PyTorch's attention of each text by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from otx_encoders.compiled import attention, attention_kernel
from otx_encoders.compiled.attention import attend_compiled, is_compiled_for
from tests.examples import examples

Blocks = list[tuple[int, int]]


def _rows(blocks: Blocks, heads: int, width: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    count = sum(texts * length for texts, length in blocks)
    return [
        torch.randn(count, heads, width, generator=generator, requires_grad=True) for _ in range(3)
    ]


def _alone(rows: list[Tensor], blocks: Blocks, scale: float) -> Tensor:
    """Attend in each text by itself, in float64."""
    lengths = [length for texts, length in blocks for _ in range(texts)]
    texts = zip(*(part.double().split(lengths) for part in rows), strict=True)
    return torch.cat(
        [
            scaled_dot_product_attention(
                *(side.transpose(0, 1) for side in text), scale=scale
            ).transpose(0, 1)
            for text in texts
        ]
    )


def _gradients(how: Callable[[list[Tensor]], Tensor], rows: list[Tensor]) -> list[Tensor]:
    sums = how(rows)
    weights = torch.linspace(-1, 1, sums.numel(), dtype=sums.dtype).view(sums.shape)
    return [sums.detach(), *torch.autograd.grad((sums * weights).sum(), rows)]


@examples(30)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6, unique=True),
    texts=st.integers(1, 3),
    heads=st.integers(1, 3),
    width=st.sampled_from([8, 16, 64]),
    scale=st.sampled_from([0.125, 1.0]),
    seed=st.integers(0, 1000),
)
def test_sums_and_gradients_are_those_of_each_text(
    lengths: list[int], texts: int, heads: int, width: int, scale: float, seed: int
) -> None:
    blocks = [(texts, length) for length in sorted(lengths)]
    rows = _rows(blocks, heads, width, seed)
    ours = _gradients(lambda r: attend_compiled(r, blocks, 0.0, scale), rows)
    expected = _gradients(lambda r: _alone(r, blocks, scale), rows)
    for one, other in zip(ours, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other.float(), atol=1e-4, rtol=1e-4)


def test_scores_far_apart_are_exact() -> None:
    rows = _rows([(2, 9)], 2, 8)
    far = [rows[0] * 100, *rows[1:]]
    torch.testing.assert_close(
        attend_compiled(far, [(2, 9)], 0.0, 1.0), _alone(far, [(2, 9)], 1.0).float()
    )


def test_dropout_drops_weights_and_their_gradients() -> None:
    # Of values that are unit vectors, the sums are the weights themselves.
    heads, length = 2, 16
    blocks = [(500, length)]
    query, key, _ = _rows(blocks, heads, length)
    value = torch.eye(length).repeat(500, 1)[:, None].repeat(1, heads, 1).requires_grad_()
    whole = attend_compiled([query, key, value], blocks, 0.0, 0.2)
    torch.manual_seed(3)
    dropped = attend_compiled([query, key, value], blocks, 0.25, 0.2)
    kept = dropped != 0
    count = kept.numel()
    assert abs(kept.double().mean().item() - 0.75) < 4 * (0.25 * 0.75 / count) ** 0.5
    torch.testing.assert_close(dropped, whole * kept / 0.75)
    weights = torch.linspace(-1, 1, count).view(dropped.shape)
    ours = torch.autograd.grad((dropped * weights).sum(), [query, key], retain_graph=True)
    expected = torch.autograd.grad((whole * weights * kept / 0.75).sum(), [query, key])
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    # The sums are linear in the values, so the values times their gradient are the sums times theirs.
    (of_value,) = torch.autograd.grad((dropped * weights).sum(), [value])
    products = (of_value.double() * value).sum(), (dropped.double() * weights).sum()
    torch.testing.assert_close(*products, rtol=1e-5, atol=1e-5)


def test_dropout_follows_pytorchs_seed() -> None:
    rows = _rows([(4, 9)], 2, 8)
    torch.manual_seed(3)
    one, two = (attend_compiled(rows, [(4, 9)], 0.3, 1.0) for _ in range(2))
    torch.manual_seed(3)
    assert torch.equal(attend_compiled(rows, [(4, 9)], 0.3, 1.0), one)
    assert not torch.equal(one, two)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_number_of_threads_changes_nothing(
    dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "THREADED", 1)
    rows = _rows([(5, 3), (2, 30), (1, 41)], 2, 16)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            torch.manual_seed(0)
            results.append(
                _gradients(
                    lambda r: attend_compiled(r, [(5, 3), (2, 30), (1, 41)], dropout, 0.5), rows
                )
            )
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


@pytest.mark.parametrize("fault", [float("nan"), float("inf")])
@pytest.mark.parametrize("side", range(3))
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_what_is_not_finite_stays_so_and_in_its_text(
    fault: float, side: int, dropout: float
) -> None:
    rows = [part.detach() for part in _rows([(3, 10)], 1, 8)]
    rows[side][12, 0, 3] = fault
    for part in rows:
        part.requires_grad_()
    sums, *gradients = _gradients(lambda r: attend_compiled(r, [(3, 10)], dropout, 1.0), rows)
    assert not sums[10:20].isfinite().all()
    assert sums[:10].isfinite().all() and sums[20:].isfinite().all()
    if side < 2:
        assert not any(gradient[10:20].isfinite().all() for gradient in gradients[:2])


def test_no_weights_are_kept_where_no_gradient_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = []

    def launch(kernel: Callable[..., None], parts: Any, arguments: tuple[Any, ...]) -> None:
        kept.append(arguments[-2].size)

    monkeypatch.setattr(attention, "launch", launch)
    rows = _rows([(2, 5)], 1, 8)
    with torch.no_grad():
        attend_compiled(rows, [(2, 5)], 0.1, 1.0)
    attend_compiled([part.detach() for part in rows], [(2, 5)], 0.1, 1.0)
    attend_compiled(rows, [(2, 5)], 0.1, 1.0)
    assert kept == [0, 0, 50]


def test_another_default_type_changes_nothing() -> None:
    rows = _rows([(2, 5)], 1, 8)
    expected = _gradients(lambda r: attend_compiled(r, [(2, 5)], 0.0, 1.0), rows)
    torch.set_default_dtype(torch.float64)
    try:
        ours = attend_compiled(rows, [(2, 5)], 0.0, 1.0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(ours, expected[0])


MANY = [(40, 16)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"dtype": torch.float64}, False),
        ({"dtype": torch.bfloat16}, False),
        ({"device": "meta"}, False),
    ],
)
def test_other_numbers_and_devices_are_not_for_it(options: dict[str, Any], expected: bool) -> None:
    plain, other = torch.empty(640, 2, 8), torch.empty(640, 2, 8, **options)
    assert is_compiled_for([other] * 3, MANY) is expected
    # Queries and keys of rotary models are in float32 under autocast, and values are not.
    assert is_compiled_for([plain, plain, other], MANY) is expected


def test_other_widths_and_few_texts_are_not_for_it() -> None:
    assert not is_compiled_for([torch.empty(640, 2, 12)] * 3, MANY)
    assert not is_compiled_for([torch.empty(32, 2, 8)] * 3, [(2, 16)])
    plain = torch.empty(640, 2, 8)
    assert not is_compiled_for([plain, plain, torch.empty(640, 2, 16)], MANY)


def test_both_parts_know_one_width_of_registers() -> None:
    assert attention.TILE == attention_kernel.TILE
