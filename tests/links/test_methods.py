from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from otx.links.methods import METHODS, MethodSettings, find_links
from tests import oracles


def links_of(x: torch.Tensor, y: torch.Tensor, **settings: object) -> set[tuple[int, int]]:
    """The links of one pair of ``[N, D]`` and ``[M, D]``."""
    masks = [torch.ones(1, len(side), dtype=torch.bool) for side in (x, y)]
    (found,) = find_links(x[None], masks[0], y[None], masks[1], MethodSettings(**settings))  # type: ignore[arg-type]
    return set(found.links)


@pytest.mark.parametrize(
    ("method", "column"),
    [
        ("argmax", "simalign_argmax"),
        ("itermax", "simalign_itermax"),
        ("softmax", "awesome_softmax_0.001"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_the_reference_aligners_extract(
    shared_data: Path, method: str, column: str, dtype: torch.dtype
) -> None:
    packed = shared_data / "expected" / "links" / "links.json.gz"
    pairs = json.loads(gzip.decompress(packed.read_bytes()))
    assert len(pairs) == 60
    for pair in pairs:
        if pair[column] is None:
            continue
        x, y = (torch.tensor(pair[side], dtype=dtype) for side in ("source", "target"))
        assert links_of(x, y, by=method) == {(i, j) for i, j in pair[column]}


def test_softmax_by_hand() -> None:
    # Rows and columns of [[0, 2], [2, 2]]: e^2 = 7.39, so .119 and .881 against .5 and .5.
    x, y = torch.tensor([[0.0, 2.0], [2.0, 2.0]]), torch.eye(2)
    assert links_of(x, y, by="softmax", threshold=0.2) == {(0, 1), (1, 0), (1, 1)}
    assert links_of(x, y, by="softmax", threshold=0.6) == set()
    assert links_of(x, y, by="softmax", threshold=0.1) == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("method", [*METHODS])
def test_the_same_words_in_another_order(method: str) -> None:
    x = torch.randn(7, 16, generator=torch.Generator().manual_seed(1)) * 3
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    assert links_of(x, x[order], by=method) == {(int(i), j) for j, i in enumerate(order)}


@pytest.mark.parametrize("method", [*METHODS])
def test_a_batch_with_lost_words_gives_what_each_pair_gives_alone(method: str) -> None:
    """Words that were cut lie anywhere, hold anything, and change no other word's number."""
    random = torch.Generator().manual_seed(2)
    x, y = (3 * torch.randn(4, 6, 8, generator=random) for _ in range(2))
    x_mask, y_mask = (
        torch.rand(4, 6, generator=random) < 0.7,
        torch.rand(4, 6, generator=random) < 0.7,
    )
    x_mask[0], y_mask[1, :] = True, torch.tensor([1, 0, 0, 0, 0, 0]).bool()
    x_mask[3] = False
    for pair, found in enumerate(find_links(x, x_mask, y, y_mask, MethodSettings(by=method))):  # type: ignore[arg-type]
        rows, columns = x_mask[pair].nonzero()[:, 0], y_mask[pair].nonzero()[:, 0]
        expected: set[tuple[int, int]] = set()
        if len(rows) and len(columns):
            alone = links_of(x[pair, rows], y[pair, columns], by=method)
            expected = {(int(rows[i]), int(columns[j])) for i, j in alone}
        assert found.links == expected
        assert found.strength.keys() == found.links
        assert all(0 <= sure <= 1 + 1e-6 for sure in found.strength.values())


def test_the_plan_follows_the_optimal_assignment() -> None:
    """With equal masses and little regularisation the plan is the cheapest one-to-one assignment."""
    for seed in range(20):
        x, y = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(seed))
        unit = torch.nn.functional.normalize
        rows, columns = linear_sum_assignment(1 - unit(x, dim=1) @ unit(y, dim=1).T)
        expected = {(int(i), int(j)) for i, j in zip(rows, columns, strict=True)}
        assert links_of(x, y, by="plan", epsilon=0.002) == expected


@pytest.mark.parametrize("threshold", [0.05, 0.5])
def test_a_threshold_cuts_pots_plan(threshold: float) -> None:
    x, y = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(3))
    cost = ot.dist(x.numpy(), y.numpy(), metric="cosine")
    mass = np.full(6, 1 / 6)
    plan = ot.bregman.sinkhorn_log(mass, mass, cost, 0.1, stopThr=1e-12)
    oracles.balanced(plan, mass, mass)
    expected = {
        (int(i), int(j)) for i, j in zip(*np.nonzero(plan > threshold * plan.max()), strict=True)
    }
    assert links_of(x, y, by="plan", threshold=threshold) == expected


def test_a_word_like_nothing_is_left_to_the_null_word() -> None:
    """The first word of each side is at a right angle to all: `argmax` links the two, `null` neither."""
    words = torch.eye(8)
    x, y = words[[5, 0, 1]], words[[6, 0, 1]]
    assert links_of(x, y, by="argmax") == {(0, 0), (1, 1), (2, 2)}
    assert links_of(x, y, by="null") == {(1, 1), (2, 2)}


def test_probabilities_are_those_of_both_directions() -> None:
    x, y = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(4))
    mask = torch.ones(1, 5, dtype=torch.bool)
    (found,) = find_links(x[None], mask, y[None], mask, MethodSettings(by="softmax", threshold=0.1))
    scores = np.exp((x @ y.T).double().numpy())
    forth, back = scores / scores.sum(1, keepdims=True), scores / scores.sum(0)
    assert found.links
    for (i, j), sure in found.strength.items():
        both = forth[i, j], back[i, j]
        assert min(both) > 0.1
        assert sure == pytest.approx(2 * both[0] * both[1] / sum(both), rel=1e-5)
