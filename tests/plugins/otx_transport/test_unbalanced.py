from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.options import SinkhornOptions, UnbalancedOptions
from otx_transport.sinkhorn import Sinkhorn
from otx_transport.unbalanced import Unbalanced

DIMENSION = 8
VARIANTS = [
    {"debias": False, "epsilon": 0.2},
    {"epsilon": 0.2},
    {"epsilon": 0.2, "tau": 5.0, "marginals": "norm"},
    {"cost": "euclidean", "epsilon": 1.0, "tau": 2.0, "debias": False},
]


def _objective(**changes: Any) -> Any:
    return Unbalanced(UnbalancedOptions(**changes), DIMENSION)


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_loss_is_the_mean_of_pots_values(
    changes: Any, scope: str, problems: Any, pot_value: Any
) -> None:
    objective = _objective(scope=scope, **changes)
    options = objective.options
    pair = example_pair(objective.views, DIMENSION)
    values = [
        pot_value(
            problem,
            cost=options.cost,
            epsilon=options.epsilon,
            debias=options.debias,
            tau=options.tau,
        )
        for problem in problems(pair, options)
    ]
    loss = objective(pair)
    assert loss.value.item() == pytest.approx(np.mean(values), abs=2e-5)
    assert loss.health["converged"] == 1
    assert 0 < loss.health["mass"] < 1
    assert loss.health["expected_mass"] == 1


def test_one_word_against_one_is_the_closed_form() -> None:
    epsilon, tau = 0.1, 0.7
    objective = _objective(epsilon=epsilon, tau=tau, debias=False)
    pair = example_pair(objective.views, DIMENSION, lengths=[(1, 1)])
    x, y = (side.words()[0][0, 0] for side in (pair.source, pair.pivot))
    cost = 1 - torch.cosine_similarity(x, y, dim=0).item()
    mass = math.exp(-cost / (epsilon + 2 * tau))
    loss = objective(pair)
    assert loss.health["mass"].item() == pytest.approx(mass, abs=1e-6)
    assert loss.value.item() == pytest.approx((epsilon + 2 * tau) * (1 - mass), abs=1e-6)


def test_a_large_tau_is_balanced() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    balanced = Sinkhorn(SinkhornOptions(), DIMENSION)(pair)
    loss = _objective(tau=1e5)(pair)
    assert loss.value.item() == pytest.approx(balanced.value.item(), abs=1e-4)


def test_a_word_without_a_translation_loses_its_mass() -> None:
    objective = _objective(epsilon=0.02, tau=0.1, debias=False)
    pair = example_pair(objective.views, DIMENSION, lengths=[(3, 2)])
    directions = torch.eye(DIMENSION)
    for side, words in ((pair.source, 3), (pair.pivot, 2)):
        side.tokens[-1] = directions[side.word_index.clamp(min=0)].requires_grad_()
        assert side.words()[0].shape == (1, words, DIMENSION)
    plan = objective(pair).plan()
    assert plan[0, 2].sum() < 0.02
    assert (plan[0, [0, 1], [0, 1]] > 0.3).all()


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_it_keeps_the_contract(changes: Any, scope: str) -> None:
    check_objective(lambda: _objective(scope=scope, **changes), dimension=DIMENSION)


def test_an_impossible_tau_is_refused() -> None:
    with pytest.raises(SettingError) as refused:
        UnbalancedOptions(tau=-1.0)
    assert refused.value.field == "tau"


@pytest.mark.parametrize("debias", [False, True])
def test_the_gradient_is_that_of_pots_value(
    debias: bool, problems: Any, pot_value: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(epsilon=0.3, tau=0.5, debias=debias, tolerance=1e-10)
    pair = double_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))

    def twin(moved: Any) -> Any:
        return np.mean(
            [
                pot_value(problem, cost="cosine", epsilon=0.3, debias=debias, tau=0.5)
                for problem in problems(moved, objective.options)
            ]
        )

    assert objective(pair).value.item() == pytest.approx(twin(pair), abs=1e-7)
    same_slope(objective, pair, twin, step=1e-4, rel=1e-4)
