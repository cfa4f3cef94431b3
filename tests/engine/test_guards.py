"""Guards against closed forms and brute force."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.engine.guards import effective_rank, nearest_accuracy, random_cosine, verdict
from tests.examples import examples


@examples(30)
@given(st.integers(2, 12), st.integers(2, 6), st.integers(0, 10_000))
def test_nearest_accuracy_is_the_brute_force_count(count: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, width, generator=generator, dtype=torch.float64)
    y = x + torch.randn(count, width, generator=generator, dtype=torch.float64)

    def cosine(i: int, j: int) -> float:
        return float((x[i] @ y[j]) / (x[i].norm() * y[j].norm()))

    forward = sum(max(range(count), key=lambda j: cosine(i, j)) == i for i in range(count))
    backward = sum(max(range(count), key=lambda i: cosine(i, j)) == j for j in range(count))
    assert nearest_accuracy(x, y) == pytest.approx((forward + backward) / (2 * count))


def test_effective_rank_of_equal_directions_is_their_number() -> None:
    corners = torch.cat([torch.eye(5), -torch.eye(5)])
    assert effective_rank(corners) == pytest.approx(5.0, rel=1e-5)


def test_effective_rank_of_one_direction_is_one() -> None:
    line = torch.linspace(-1, 1, 9).unsqueeze(1) * torch.tensor([[3.0, 4.0]])
    assert effective_rank(line) == pytest.approx(1.0, abs=1e-3)


def test_random_cosine_of_collapsed_vectors_is_one_and_of_opposites_is_the_pair_mean() -> None:
    assert random_cosine(torch.ones(20, 3)) == pytest.approx(1.0, abs=1e-6)
    # Two different rows of {v, -v} are always opposite.
    assert random_cosine(torch.tensor([[1.0, 2.0], [-1.0, -2.0]])) == pytest.approx(-1.0)


def test_the_verdict_names_what_got_worse_and_keeps_silent_otherwise() -> None:
    before = {"retrieval": 0.30, "aer": 0.31, "effective_rank": 40.0, "random_cosine": 0.5}
    worse = {"retrieval": 0.25, "aer": 0.38, "effective_rank": 10.0, "random_cosine": 0.8}
    lines = verdict(2.0, 1.0, before, worse)
    assert any("aer" in line or "rose from 0.310 to 0.380" in line for line in lines)
    assert all(line.startswith("the loss fell, but ") for line in lines) and len(lines) == 4
    better = {"retrieval": 0.31, "aer": 0.30, "effective_rank": 41.0, "random_cosine": 0.7}
    assert verdict(2.0, 1.0, before, better) == [] == verdict(2.0, 1.0, {}, {})
    assert not math.isnan(random_cosine(torch.zeros(4, 2)))
