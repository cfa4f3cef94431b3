from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.options import PartialOptions
from otx_transport.partial import Partial
from tests import oracles

DIMENSION = 8


def _objective(**changes: Any) -> Any:
    return Partial(PartialOptions(**changes), DIMENSION)


@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_value_and_gradient_are_pots(
    scope: str, problems: Any, distances: Any, kl: Any, double_pair: Any, same_slope: Any
) -> None:
    epsilon, share = 0.3, 0.7
    objective = _objective(
        scope=scope, epsilon=epsilon, share=share, tolerance=1e-10, max_iterations=20_000
    )
    pair = double_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))

    def twin(moved: Any) -> Any:
        values = []
        for x, y, a, b in problems(moved, objective.options):
            cost, reference = distances("cosine", x, y), np.outer(a, b)
            plan = ot.partial.entropic_partial_wasserstein(
                a, b, cost - epsilon * np.log(reference), epsilon,
                m=share, numItermax=20_000, stopThr=1e-13,
            )  # fmt: skip
            plan = oracles.partial(plan, a, b, share)
            values.append((plan * cost).sum() + epsilon * kl(plan, reference))
        return np.mean(values)

    loss = objective(pair)
    assert loss.value.item() == pytest.approx(twin(pair), abs=1e-7)
    assert loss.health["mass"].item() == pytest.approx(share) == loss.health["expected_mass"]
    same_slope(objective, pair, twin, step=1e-4, rel=1e-3)


def test_the_words_that_are_dearest_to_move_stay() -> None:
    objective = _objective(share=0.5, epsilon=0.01)
    pair = example_pair(objective.views, 4, lengths=((2, 2),))
    words = (
        torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]),
        torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]]),
    )
    for side, vectors in zip((pair.source, pair.pivot), words, strict=True):
        side.tokens = {-1: vectors[side.word_index.clamp(min=0)].requires_grad_()}
    plan = objective(pair).plan()[0]
    assert plan[0, 0].item() == pytest.approx(0.5, abs=1e-3)


def test_it_keeps_the_contract() -> None:
    check_objective(lambda: _objective(), dimension=DIMENSION)


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(SettingError, match="must be above 0 and at most 1"):
        PartialOptions(share=share)
