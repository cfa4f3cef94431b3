from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from otx.testing import check_objective, example_pair
from otx_transport.divergence import Divergence
from otx_transport.options import DivergenceOptions, SinkhornOptions
from otx_transport.sinkhorn import Sinkhorn

DIMENSION = 8


def _objective(**changes: Any) -> Any:
    return Divergence(DivergenceOptions(**changes), DIMENSION)


@pytest.mark.parametrize("scope", ["batch", "sentence"])
@pytest.mark.parametrize("cost", ["cosine", "euclidean"])
def test_the_loss_is_the_mean_of_pots_values(
    scope: str, cost: str, problems: Any, pot_value: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(scope=scope, cost=cost, epsilon=0.5, tolerance=1e-10)
    pair = double_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))

    def twin(moved: Any) -> Any:
        return np.mean(
            [
                pot_value(problem, cost=cost, epsilon=0.5, debias=True)
                for problem in problems(moved, objective.options)
            ]
        )

    assert objective(pair).value.item() == pytest.approx(twin(pair), abs=1e-6)
    same_slope(objective, pair, twin, step=1e-3, rel=1e-3)


def test_pooled_is_the_default_and_sinkhorn_is_the_rest() -> None:
    assert _objective().scope == "batch"
    pair = example_pair(_objective().views, DIMENSION)
    sinkhorn = Sinkhorn(SinkhornOptions(scope="batch"), DIMENSION)
    assert _objective()(pair).value.item() == sinkhorn(pair).value.item()


def test_equal_sides_are_at_nothing() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    pair = replace(pair, pivot=pair.source)
    assert _objective()(pair).value.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scope", ["batch", "sentence"])
def test_it_keeps_the_contract(scope: str) -> None:
    check_objective(lambda: _objective(scope=scope), dimension=DIMENSION)
