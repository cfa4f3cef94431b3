"""The pieces of benchmarks/transport.py whose truth is known from elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch

from benchmarks.peers.answers import Answer, Peer, marginal_error
from benchmarks.peers.match_accuracy import tune
from benchmarks.peers.measure import Rates
from benchmarks.peers.plain import plain_sinkhorn
from benchmarks.peers.problems import Problems
from benchmarks.peers.table import Measurement
from benchmarks.transport import emd_aims
from tests import oracles


@pytest.fixture
def pairs() -> Any:
    generator = torch.Generator().manual_seed(0)
    lengths = [(3, 5), (6, 2), (4, 4)]
    return [tuple(torch.randn(k, 8, generator=generator) for k in sizes) for sizes in lengths]


def test_the_error_is_the_mass_that_lies_wrong_on_both_sides() -> None:
    third = torch.full((1, 3), 1 / 3)
    a, b = torch.tensor([[0.5, 0.5, 0]]), third
    right = torch.tensor([[[1, 1, 1], [1, 1, 1], [0, 0, 0]]]) / 6.0
    moved = right.clone()
    moved[0, 0, 0] += 0.1  # too much by .1 in one row and in one column
    padded = right.clone()
    padded[0, 2, 0] += 0.1
    errors = marginal_error(torch.cat([right, moved, padded]), a.repeat(3, 1), b.repeat(3, 1))
    assert errors.dtype == torch.float64
    assert errors.tolist() == pytest.approx([0, 0.2, 0.2], abs=1e-7)


def test_an_error_that_is_not_a_number_is_infinite() -> None:
    half = torch.full((1, 2), 0.5)
    assert marginal_error(torch.full((1, 2, 2), torch.nan), half, half).item() == np.inf


def test_the_plain_twin_equals_pot(pairs: Any) -> None:
    problems = Problems.of("test", pairs, "cpu")
    cost = problems.cost(problems.x, problems.y).double()
    plan = plain_sinkhorn(
        cost, problems.a.double(), problems.b.double(), epsilon=0.1, tolerance=1e-10
    )
    rebuilt = torch.zeros_like(plan)
    for index, (x, y) in enumerate(pairs):
        n, m = len(x), len(y)
        a, b = np.full(n, 1 / n), np.full(m, 1 / m)
        theirs = ot.bregman.sinkhorn_log(a, b, cost[index, :n, :m].numpy(), 0.1, stopThr=1e-11)
        theirs = oracles.balanced(theirs, a, b, tolerance=1e-7)
        rebuilt[index, :n, :m] = torch.from_numpy(theirs)
    assert torch.allclose(plan, rebuilt, atol=1e-7)  # the masses are float32's thirds
    assert float(marginal_error(plan, problems.a, problems.b).max()) < 1e-6


def test_a_grid_is_every_sentence_with_every_translation(pairs: Any) -> None:
    grid = Problems.of("test", pairs, "cpu", grid=True)
    cost = grid.cost(grid.x, grid.y)
    assert len(grid) == len(cost) == 9
    for place, (i, j) in enumerate(np.ndindex(3, 3)):
        x, y = (torch.nn.functional.normalize(side, dim=1) for side in (pairs[i][0], pairs[j][1]))
        assert torch.allclose(cost[place, : len(x), : len(y)], 1 - x @ y.T, atol=1e-6)
        assert [int(side[place]) for side in grid.lengths()] == [len(x), len(y)]


@pytest.mark.parametrize("needed", [0, 1, 2, 6, 13, 19])
def test_the_loosest_knob_that_reaches_the_error_is_found(pairs: Any, needed: int) -> None:
    problems = Problems.of("test", pairs, "cpu")
    right = problems.a[:, :, None] * problems.b[:, None, :]

    def solve(problems: Any, x: Any, y: Any, epsilon: float, knob: Any) -> Any:
        plan = right * (1 if knob >= needed else 1.1)
        return Answer(plan.sum(), lambda: plan)

    peer = Peer("test", "", "place", tuple(map(float, range(20))), solve)
    found = tune(peer, problems, epsilon=0.1, target=1e-4, patience=60)
    assert (found.knob, found.reached) == (needed, True)


def test_a_peer_that_does_not_reach_it_is_said_not_to(pairs: Any) -> None:
    problems = Problems.of("test", pairs, "cpu")
    plan = torch.zeros(len(problems), problems.a.shape[1], problems.b.shape[1])
    peer = Peer("test", "", "place", (1.0, 2.0, 3.0), lambda *_: Answer(plan.sum(), lambda: plan))
    found = tune(peer, problems, epsilon=0.1, target=1e-4, patience=60)
    assert (found.knob, found.reached, found.error) == (3.0, False, pytest.approx(2))


def test_the_bound_counts_real_words_alone(pairs: Any) -> None:
    """15 + 12 + 16 entries, vectors of 8, two iterations."""
    problems = Problems.of("test", pairs, "cpu")
    rates = Rates(bandwidth=4.0, vector=1.0, matrix=8.0)
    iterations = torch.full((3,), 2)
    assert rates.bound(problems, iterations, backward=False) == 43 + 43 + 4 * 43
    assert rates.bound(problems, iterations, backward=True) == 3 * 43 + 43 + 4 * 43


def test_the_aim_compares_our_times_with_the_exact_loop_of_the_same_problems() -> None:
    rows = [
        Measurement("ragged", 0.05, 1, "otx", forward=1.0, backward=3.0),
        Measurement("ragged", 0.05, 1, "emd loop", forward=2.0, backward=1.0),
        Measurement("equal", 0.05, 1, "emd loop", forward=2.0, backward=1.0),
        Measurement("ragged", 0.1, 1, "emd loop", forward=2.0, backward=1.0),
        Measurement("ragged", 0.05, 128, "otx", forward=1.0),
        Measurement("ragged", 0.05, 128, "emd loop", forward=2.0),
    ]
    assert [(result.ratio, result.met) for result in emd_aims(rows)] == [(0.5, True), (3.0, False)]
