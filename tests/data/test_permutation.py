"""Permutations: every number once, the same for a seed, and like numpy's while they are short."""

from __future__ import annotations

import numpy as np
import pytest

from otx.data import permutation
from otx.data.permutation import Permutation


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 64, 100, 1_000, 4_095, 4_097])
def test_a_computed_permutation_has_every_number_once(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permutation, "LISTED", -1)
    numbers = Permutation(count, [1, 2]).take(np.arange(count))
    assert sorted(numbers.tolist()) == list(range(count))
    assert (numbers == Permutation(count, [1, 2]).take(np.arange(count))).all()
    if count > 50:
        assert (numbers != Permutation(count, [1, 3]).take(np.arange(count))).any()
        assert (numbers[[7, 3]] == Permutation(count, [1, 2]).take(np.array([7, 3]))).all()


def test_a_computed_permutation_looks_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permutation, "LISTED", -1)
    count, seeds = 40, 4_000
    firsts = [Permutation(count, seed).take(np.array([0, 1])) for seed in range(seeds)]
    for place in (0, 1):
        seen = np.bincount([first[place] for first in firsts], minlength=count)
        # Chi-square with 39 degrees of freedom: 72 is passed once in a thousand.
        assert ((seen - seeds / count) ** 2 / (seeds / count)).sum() < 72
    numbers = Permutation(100_000, 1).take(np.arange(100_000))
    steps = np.diff(numbers)
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.02
    assert abs((steps > 0).mean() - 0.5) < 0.01


def test_a_short_permutation_is_numpy_s() -> None:
    for count in (1, 7, 1_000):
        listed = np.random.default_rng([3, 4]).permutation(count)
        assert (Permutation(count, [3, 4]).take(np.arange(count)) == listed).all()
