from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_baselines.adversarial import Adversarial
from otx_baselines.options import AdversarialOptions

DIMENSION = 5


def _objective(**changes: Any) -> Any:
    torch.manual_seed(0)
    return Adversarial(AdversarialOptions(hidden=7, **changes), DIMENSION)


def _logit(objective: Any, vector: Any) -> Any:
    inner, _, outer = objective.discriminator
    hidden = (inner.weight.double() @ vector + inner.bias.double()).clamp(min=0)
    return float((outer.weight.double() @ hidden + outer.bias.double()).detach())


@pytest.mark.parametrize("unit", ["words", "sentences"])
@pytest.mark.parametrize("reversal", [1.0, 0.3])
def test_the_value_is_a_loop_and_the_encoders_gradient_is_turned_round(
    unit: str, reversal: float, words_of: Any, subwords_of: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(unit=unit, reversal=reversal).double()
    pair = double_pair(objective.views, DIMENSION)

    def units(encoded: Any) -> Any:
        if unit == "words":
            return [word for row in words_of(encoded) for word in row]
        return [torch.stack(row).mean(0) for row in subwords_of(encoded)]

    def twin(moved: Any) -> Any:
        source = [math.log1p(math.exp(-_logit(objective, v))) for v in units(moved.source)]
        pivot = [math.log1p(math.exp(_logit(objective, v))) for v in units(moved.pivot)]
        return (sum(source) / len(source) + sum(pivot) / len(pivot)) / 2

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin, reverse=-reversal)


def test_the_discriminators_own_gradient_is_not_turned_round() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    first = objective(pair).value.item()
    optimiser = torch.optim.SGD(objective.parameters(), lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        loss = objective(pair)
        loss.value.backward()
        optimiser.step()
    assert loss.value.item() < first
    assert 0 <= loss.terms["accuracy"].item() <= 1


def test_a_discriminator_that_knows_nothing_is_at_ln_2() -> None:
    objective = _objective()
    with torch.no_grad():
        objective.discriminator[2].weight.zero_()
        objective.discriminator[2].bias.zero_()
    pair = example_pair(objective.views, DIMENSION)
    assert objective(pair).value.item() == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("unit", ["words", "sentences"])
def test_it_keeps_the_contract(unit: str) -> None:
    check_objective(lambda: _objective(unit=unit), dimension=DIMENSION)


@pytest.mark.parametrize("changes", [{"reversal": 0.0}, {"hidden": 0}])
def test_impossible_options_are_refused(changes: Any) -> None:
    with pytest.raises(SettingError):
        AdversarialOptions(**changes)
