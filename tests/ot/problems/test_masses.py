from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import ProblemError
from otx.ot.problems.masses import by_norm, from_weights, uniform
from tests.examples import examples

MASK = torch.tensor([[True, True, False, False], [True, True, True, True]])


def test_uniform_counts_real_words() -> None:
    assert torch.equal(uniform(MASK), torch.tensor([[0.5, 0.5, 0, 0], [0.25] * 4]))


def test_norms_are_detached_and_normalised() -> None:
    vectors = torch.tensor([[[3.0, 4], [0, 5], [9, 9], [9, 9]], [[1, 0], [0, 1], [2, 0], [0, 4]]])
    masses = by_norm(vectors.requires_grad_(), MASK)
    expected = torch.tensor([[0.5, 0.5, 0, 0], [0.125, 0.125, 0.25, 0.5]])
    assert torch.allclose(masses, expected)
    assert not masses.requires_grad


@examples(30)
@given(st.integers(0, 2**31), st.integers(1, 512))
def test_masses_sum_to_one_over_real_words(seed: int, length: Any) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(3, length, generator=generator) < 0.7
    mask[:, 0] = True
    weights = torch.rand(3, length, generator=generator) + 0.01
    vectors = torch.randn(3, length, 4, generator=generator)
    for masses in (uniform(mask), from_weights(weights, mask), by_norm(vectors, mask)):
        assert torch.allclose(masses.double().sum(1), torch.ones(3).double(), atol=1e-6)
        assert (masses[~mask] == 0).all()
        assert (masses >= 0).all()


def test_half_precision_is_raised() -> None:
    weights = torch.ones(2, 4, dtype=torch.bfloat16)
    assert from_weights(weights, MASK).dtype == torch.float32
    assert by_norm(weights[:, :, None], MASK).dtype == torch.float32
    assert from_weights(weights.double(), MASK).dtype == torch.float64


def test_weights_keep_their_gradient_and_padding_gets_none() -> None:
    weights = torch.tensor([[1.0, 3, 7, 7], [1, 1, 1, 1]], requires_grad=True)
    masses = from_weights(weights, MASK)
    assert torch.allclose(masses[0], torch.tensor([0.25, 0.75, 0, 0]))
    masses[0, 1].backward()
    assert weights.grad[0, 0].item() == pytest.approx(-3 / 16)
    assert (weights.grad[0, 2:] == 0).all()


def test_what_padding_weighs_does_not_matter() -> None:
    weights = torch.tensor([[1.0, 1, float("nan"), -1], [1, 1, 1, 1]])
    assert torch.equal(from_weights(weights, MASK), uniform(MASK))


def test_a_side_without_words_is_refused() -> None:
    with pytest.raises(ProblemError, match="problem 1: one side has no real word"):
        uniform(torch.tensor([[True, False], [False, False]]))


def test_a_side_without_weight_is_refused() -> None:
    weights = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0]])
    with pytest.raises(ProblemError, match="problem 1: one side has a total weight of 0"):
        from_weights(weights, MASK)
    with pytest.raises(ProblemError, match="problem 0"):
        by_norm(torch.zeros(2, 4, 3), MASK)


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_impossible_weights_are_refused(bad: Any) -> None:
    weights = torch.ones(2, 4)
    weights[1, 2] = bad
    with pytest.raises(ProblemError, match="problem 1: a word's weight is negative or not a num"):
        from_weights(weights, MASK)
