from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.options import SemiRelaxedOptions, SinkhornOptions
from otx_transport.semi_relaxed import SemiRelaxed
from otx_transport.sinkhorn import Sinkhorn
from tests import oracles

DIMENSION = 8


def _objective(**changes: Any) -> Any:
    return SemiRelaxed(SemiRelaxedOptions(**changes), DIMENSION)


@pytest.mark.parametrize("relaxed", ["pivot", "source"])
@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_value_and_gradient_are_pots(
    relaxed: str,
    scope: str,
    problems: Any,
    distances: Any,
    kl: Any,
    double_pair: Any,
    same_slope: Any,
) -> None:
    epsilon, tau = 0.3, 0.4
    objective = _objective(relaxed=relaxed, scope=scope, epsilon=epsilon, tau=tau, tolerance=1e-10)
    pair = double_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))
    prices = (np.inf, tau) if relaxed == "pivot" else (tau, np.inf)

    def twin(moved: Any) -> Any:
        values = []
        for x, y, a, b in problems(moved, objective.options):
            cost, reference = distances("cosine", x, y), np.outer(a, b)
            plan = ot.unbalanced.sinkhorn_unbalanced(
                a, b, cost, epsilon, prices, reg_type="kl", c=reference,
                numItermax=20_000, stopThr=1e-13,
            )  # fmt: skip
            plan = oracles.relaxed(plan, a, b, cost, epsilon, prices)
            missed = kl(plan.sum(0), b) if relaxed == "pivot" else kl(plan.sum(1), a)
            values.append((plan * cost).sum() + epsilon * kl(plan, reference) + tau * missed)
        return np.mean(values)

    assert objective(pair).value.item() == pytest.approx(twin(pair), abs=1e-7)
    same_slope(objective, pair, twin, step=1e-4, rel=1e-4)


def test_the_hard_side_keeps_its_mass_and_the_other_does_not() -> None:
    for relaxed, hard in (("pivot", 2), ("source", 1)):
        objective = _objective(relaxed=relaxed)
        pair = example_pair(objective.views, DIMENSION, lengths=((3, 5),))
        loss = objective(pair)
        plan = loss.plan()
        words = plan.shape[3 - hard]
        expected = torch.full_like(plan.sum(hard), 1 / words)
        assert torch.allclose(plan.sum(hard), expected, atol=1e-5)
        soft = plan.sum(3 - hard)
        assert not torch.allclose(soft, torch.full_like(soft, 1 / soft.shape[1]), atol=1e-2)
        assert loss.health["mass"].item() == pytest.approx(1, abs=1e-5)


def test_a_high_price_is_the_balanced_problem() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    balanced = Sinkhorn(SinkhornOptions(debias=False), DIMENSION)(pair)
    assert _objective(tau=1e5)(pair).value.item() == pytest.approx(balanced.value.item(), abs=1e-4)


def test_the_least_is_where_all_words_are_in_one_point() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    for side in (pair.source, pair.pivot):
        side.tokens = {-1: torch.ones_like(side.tokens[-1], requires_grad=True)}
    assert _objective()(pair).value.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("relaxed", ["pivot", "source"])
def test_it_keeps_the_contract(relaxed: str) -> None:
    check_objective(lambda: _objective(relaxed=relaxed), dimension=DIMENSION)


def test_a_price_of_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="must be above 0"):
        SemiRelaxedOptions(tau=0)
