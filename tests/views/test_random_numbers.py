"""Random numbers that belong to a pair: uniform, independent, and the same in any part of any batch."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.views.random_numbers import uniform
from tests.examples import examples


@examples(25)
@given(st.integers(0, 2**63 - 1), st.integers(0, 20), st.integers(1, 6), st.integers(1, 9))
def test_a_part_has_the_numbers_of_the_whole(seed: int, first: int, rows: int, wide: int) -> None:
    whole = uniform(torch.Size([first + rows, wide + 3]), seed=seed, stream=1)
    part = uniform(torch.Size([rows, wide]), seed=seed, stream=1, first=first)
    assert torch.equal(part, whole[first:, :wide])


def test_they_are_uniform_and_uncorrelated() -> None:
    shape = torch.Size([500, 400])
    numbers = [uniform(shape, seed=seed, stream=stream) for seed in (1, 2) for stream in (0, 1)]
    for one in numbers:
        assert one.min() >= 0 and one.max() < 1
        counts = torch.histc(one, 20, 0, 1)
        expected = one.numel() / 20
        # The 99.99th percentile of chi squared with 19 degrees of freedom is 51.
        assert ((counts - expected).square() / expected).sum() < 51
        assert one.unique().numel() > 0.98 * one.numel()
    numbers += [numbers[0].roll(1, 0), numbers[0].roll(1, 1), numbers[0].T.reshape(shape)]
    table = torch.stack([one.flatten() for one in numbers]).corrcoef() - torch.eye(len(numbers))
    # Five standard deviations of the correlation of 200,000 independent numbers.
    assert table.abs().max() < 5 / shape.numel() ** 0.5
