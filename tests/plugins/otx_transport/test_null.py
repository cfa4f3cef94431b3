from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.testing import check_objective, example_pair
from otx_transport.null import Null
from otx_transport.options import NullOptions
from tests import oracles

DIMENSION = 8
EPSILON = 0.2


def _objective(**changes: Any) -> Any:
    return Null(NullOptions(**changes), DIMENSION)


def _extended(cost: Any, x: Any, y: Any) -> Any:
    """The cost with the null column, by hand: the equidistant direction, the median, the range."""
    units = y / np.linalg.norm(y, axis=1, keepdims=True)
    direction = np.linalg.lstsq(units, np.ones(len(units)), rcond=None)[0]
    price = ot.dist(x, direction[None], metric="cosine")[:, 0]
    ordered = np.sort(cost.ravel())
    median = ordered[(len(ordered) - 1) // 2]
    return np.concatenate((cost, np.maximum(price, median)[:, None]), 1)


def _one_way(x: Any, y: Any, a: Any, b: Any, fixed: Any, distances: Any, kl: Any) -> Any:
    """OTTAWA's problem by POT; ``fixed`` holds the null column, shift and divisor of the start."""
    cost = distances("cosine", x, y)
    if "column" not in fixed:
        whole = _extended(cost, x, y)
        fixed |= {"column": whole[:, -1:], "low": whole.min(), "width": np.ptp(whole)}
    whole = (np.concatenate((cost, fixed["column"]), 1) - fixed["low"]) / fixed["width"]
    b = np.append(b, 1.0)
    reference = np.outer(a, b)
    plan = ot.partial.entropic_partial_wasserstein(
        a, b, whole - EPSILON * np.log(reference), EPSILON,
        m=a.sum(), numItermax=20_000, stopThr=1e-13,
    )  # fmt: skip
    plan = oracles.partial(plan, a, b, a.sum())
    return (plan * whole).sum() + EPSILON * kl(plan, reference), plan[:, -1].sum()


def test_value_gradient_and_null_share_are_pots(
    problems: Any, distances: Any, kl: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(epsilon=EPSILON, tolerance=1e-10, max_iterations=20_000)
    pair = double_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))
    fixed = [[{}, {}], [{}, {}]]

    def both(moved: Any) -> Any:
        found = []
        for kept, (x, y, a, b) in zip(fixed, problems(moved, objective.options), strict=True):
            found.append(_one_way(x, y, a, b, kept[0], distances, kl))
            found.append(_one_way(y, x, b, a, kept[1], distances, kl))
        return np.mean(found, 0)

    value, share = both(pair)
    loss = objective(pair)
    assert loss.value.item() == pytest.approx(value, abs=1e-6)
    assert loss.terms["null_share"].item() == pytest.approx(share, abs=1e-5)
    same_slope(objective, pair, lambda moved: both(moved)[0], step=1e-4, rel=1e-3)


def test_a_word_like_nothing_goes_to_the_null_word() -> None:
    """Two words have partners; the third is at a right angle to all, the null word's direction among them."""
    objective = _objective(epsilon=0.01)
    pair = example_pair(objective.views, 6, lengths=((3, 2),))
    for side, vectors in ((pair.source, torch.eye(6)[:3]), (pair.pivot, torch.eye(6)[:2])):
        side.tokens = {-1: vectors[side.word_index.clamp(min=0)].requires_grad_()}
    plan = objective(pair).plan()[0]
    assert plan[0, 0].item() == pytest.approx(1 / 3, abs=1e-3) == plan[1, 1].item()
    # Its cost to everything is the same, and the null word weighs as much as both others together.
    assert plan[2].sum().item() == pytest.approx(1 / 6, abs=1e-3)


def test_it_keeps_the_contract() -> None:
    check_objective(lambda: _objective(), dimension=DIMENSION)
