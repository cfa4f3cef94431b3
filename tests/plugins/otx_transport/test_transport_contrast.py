from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.options import SinkhornOptions, TransportContrastOptions
from otx_transport.transport_contrast import TransportContrast

DIMENSION = 8
EPSILON, TEMPERATURE = 0.3, 0.2


def _objective(**changes: Any) -> Any:
    changes = {"epsilon": EPSILON, "temperature": TEMPERATURE} | changes
    return TransportContrast(TransportContrastOptions(**changes), DIMENSION)


def _infonce(costs: Any) -> Any:
    losses = []
    for table in (costs, costs.T):
        for b, row in enumerate(-table / TEMPERATURE):
            losses.append(math.log(np.exp(row).sum()) - row[b])
    return losses


def _twin(pair: Any, groups: Any, problems: Any, pot_value: Any, marginals: str = "uniform") -> Any:
    """POT's value of every sentence against every other of its group, told apart in both directions."""
    apart = SinkhornOptions(marginals=marginals)
    own = problems(pair, apart)
    losses = []
    for group in groups:
        costs = np.array(
            [
                [
                    pot_value(
                        (own[i][0], own[j][1], own[i][2], own[j][3]),
                        cost="cosine",
                        epsilon=EPSILON,
                        debias=False,
                    )
                    for j in group
                ]
                for i in group
            ]
        )
        losses += _infonce(costs)
    return sum(losses) / len(losses)


@pytest.mark.parametrize(
    ("group", "groups"),
    [(8, [[0, 1, 2, 3, 4]]), (4, [[0, 1, 2], [3, 4]]), (2, [[0, 1], [2, 3], [4]])],
)
def test_value_and_gradient_are_those_of_pots_values(
    group: int, groups: Any, problems: Any, pot_value: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(group=group, tolerance=1e-10)
    lengths = ((3, 2), (2, 4), (1, 2), (4, 4), (2, 2))
    pair = double_pair(objective.views, DIMENSION, lengths=lengths)

    def twin(moved: Any) -> Any:
        return _twin(moved, groups, problems, pot_value)

    assert objective(pair).value.item() == pytest.approx(twin(pair), abs=1e-6)
    if group == 4:
        same_slope(objective, pair, twin, step=1e-3, rel=1e-3)


@pytest.mark.parametrize("marginals", ["norm", "idf"])
def test_masses_count(marginals: str, problems: Any, pot_value: Any) -> None:
    objective = _objective(marginals=marginals, tolerance=1e-6)
    pair = example_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))
    expected = _twin(pair, [[0, 1]], problems, pot_value, marginals)
    assert objective(pair).value.item() == pytest.approx(expected, abs=1e-4)


def test_translations_alike_and_all_others_apart_are_the_least() -> None:
    objective = _objective(temperature=0.01)
    pair = example_pair(objective.views, DIMENSION, lengths=((2, 3), (3, 1), (1, 1)))
    for side in (pair.source, pair.pivot):
        rows = torch.eye(DIMENSION)[:3, None].expand_as(side.tokens[-1])
        side.tokens = {-1: rows.clone().requires_grad_()}
    assert objective(pair).value.item() == pytest.approx(0, abs=1e-6)


def test_all_words_in_one_point_are_no_minimum() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION, lengths=((2, 3), (3, 1), (1, 1)))
    for side in (pair.source, pair.pivot):
        side.tokens = {-1: torch.ones_like(side.tokens[-1])}
    assert objective(pair).value.item() == pytest.approx(math.log(3), abs=1e-5)


def test_health_is_of_all_problems() -> None:
    health = _objective()(example_pair(_objective().views, DIMENSION)).health
    assert health["converged"] == 1 and health["mass"].item() == pytest.approx(1, abs=1e-5)


def test_it_keeps_the_contract() -> None:
    check_objective(lambda: _objective(), dimension=DIMENSION)


@pytest.mark.parametrize("changes", [{"group": 1}, {"temperature": 0.0}, {"epsilon": 0.0}])
def test_impossible_options_are_refused(changes: Any) -> None:
    with pytest.raises(SettingError) as refused:
        TransportContrastOptions(**changes)
    assert {refused.value.field} == set(changes)
