from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.options import SlicedOptions
from otx_transport.sliced import Sliced
from tests import oracles

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    torch.manual_seed(0)
    return Sliced(SlicedOptions(**changes), DIMENSION)


def _on_line(x: Any, y: Any, a: Any, b: Any) -> Any:
    """The squared Wasserstein distance on a line, by POT's plan."""
    plan = oracles.balanced(ot.emd_1d(x, y, a, b, metric="sqeuclidean"), a, b)
    return (plan * (x[:, None] - y) ** 2).sum()


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("marginals", ["uniform", "idf"])
def test_value_and_gradient_are_those_of_pot_on_each_line(
    scope: str, normalise: bool, marginals: str, problems: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(scope=scope, normalise=normalise, marginals=marginals, directions=9)
    pair = double_pair(objective.views, DIMENSION)
    lines = objective.lines.double().numpy()

    def twin(moved: Any) -> Any:
        values = []
        for x, y, a, b in problems(moved, objective.options):
            if normalise:
                x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
            own = [_on_line(x @ line, y @ line, a, b) for line in lines.T]
            values.append(DIMENSION * np.mean(own))
        return np.mean(values)

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-6)
    same_slope(objective, pair, twin, rel=1e-4)


def test_the_lines_are_orthogonal_unit_vectors() -> None:
    lines = _objective(directions=DIMENSION).lines
    assert torch.allclose(lines.mT @ lines, torch.eye(DIMENSION), atol=1e-5)
    many = _objective(directions=15).lines
    assert many.shape == (DIMENSION, 15)
    assert torch.allclose(many.norm(dim=0), torch.ones(15), atol=1e-5)


def test_single_words_are_at_their_squared_distance() -> None:
    objective = _objective(directions=DIMENSION, normalise=False)
    pair = example_pair(objective.views, DIMENSION, lengths=((1, 1),))
    (x, _), (y, _) = pair.source.words(), pair.pivot.words()
    expected = (x - y).square().sum().item()
    assert objective(pair).value.item() == pytest.approx(expected, rel=1e-5)


def test_equal_sides_are_at_nothing() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    pair = replace(pair, pivot=pair.source)
    assert objective(pair).value.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_it_keeps_the_contract(scope: str) -> None:
    check_objective(lambda: _objective(scope=scope), dimension=DIMENSION)


def test_no_direction_is_refused() -> None:
    with pytest.raises(SettingError, match="must be above 0"):
        SlicedOptions(directions=0)
