from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_baselines.options import SelfTrainingOptions
from otx_baselines.self_training import SelfTraining

DIMENSION = 5


def _objective(**changes: Any) -> Any:
    return SelfTraining(SelfTrainingOptions(**changes), DIMENSION)


def _softmax(scores: Any) -> Any:
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def _twin(rows_x: Any, rows_y: Any, threshold: Any, fixed: Any = None) -> Any:
    """awesome-align's formula pair by pair; ``fixed`` are the alignments to be kept, or made here."""
    losses, alignments = [], []
    for number, (xs, ys) in enumerate(zip(rows_x, rows_y, strict=True)):
        scores = [[float(x @ y) for y in ys] for x in xs]
        forth = [_softmax(row) for row in scores]
        back = [_softmax([row[j] for row in scores]) for j in range(len(ys))]
        cells = [(i, j) for i in range(len(xs)) for j in range(len(ys))]
        aligned = [(i, j) for i, j in cells if forth[i][j] > threshold and back[j][i] > threshold]
        alignments.append(aligned)
        kept = aligned if fixed is None else fixed[number]
        source = sum(forth[i][j] for i, j in kept) / len(xs)
        pivot = sum(back[j][i] for i, j in kept) / len(ys)
        losses.append(-(source + pivot))
    return sum(losses) / len(losses), alignments


@pytest.mark.parametrize("unit", ["words", "subwords"])
@pytest.mark.parametrize("threshold", [0.05, 0.2])
def test_value_and_gradient_equal_loops(
    unit: str, threshold: float, words_of: Any, subwords_of: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(unit=unit, threshold=threshold)
    pair = double_pair(objective.views, DIMENSION)
    units = words_of if unit == "words" else subwords_of
    value, alignments = _twin(units(pair.source), units(pair.pivot), threshold)
    assert any(alignments) and -2 <= value < 0
    assert objective(pair).value.item() == pytest.approx(value, rel=1e-9)

    def twin(moved: Any) -> Any:
        return _twin(units(moved.source), units(moved.pivot), threshold, alignments)[0]

    same_slope(objective, pair, twin)


def test_a_sure_alignment_one_to_one_is_at_the_least_value() -> None:
    objective = _objective()
    pair = example_pair(objective.views, 8, lengths=((4, 4),))
    pair = replace(pair, pivot=pair.source)
    pair.source.tokens = {-1: 30 * torch.eye(32)[: pair.source.mask.shape[1]][None]}
    assert objective(pair).value.item() == pytest.approx(-2, abs=1e-5)


@pytest.mark.parametrize("unit", ["words", "subwords"])
def test_it_keeps_the_contract(unit: str) -> None:
    check_objective(lambda: _objective(unit=unit, threshold=0.05), dimension=DIMENSION)


@pytest.mark.parametrize("threshold", [-0.1, 1.0])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(SettingError, match="must be at least 0 and below 1"):
        SelfTrainingOptions(threshold=threshold)
