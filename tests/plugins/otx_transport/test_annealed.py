from __future__ import annotations

from typing import Any

import pytest
import torch
from geomloss import SamplesLoss

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.annealed import AnnealedDivergence
from otx_transport.options import AnnealedOptions

DIMENSION = 16
GEOMLOSS = {"p": 2, "blur": 0.05, "scaling": 0.5, "debias": True}


def _objective(**changes: Any) -> Any:
    return AnnealedDivergence(AnnealedOptions(**changes), DIMENSION)


def _by_geomloss(problems: Any) -> Any:
    """The mean of SamplesLoss over problems, and its gradients by all words of either side."""
    samples, total, points = SamplesLoss("sinkhorn", **GEOMLOSS), torch.zeros(()), ([], [])
    for x, y, _, _ in problems:
        sides = [torch.tensor(side, dtype=torch.float32, requires_grad=True) for side in (x, y)]
        total = total + samples(*sides) / len(problems)
        for kept, side in zip(points, sides, strict=True):
            kept.append(side)
    by_x, by_y = (torch.autograd.grad(total, kept, retain_graph=True) for kept in points)
    return total.item(), torch.cat(by_x), torch.cat(by_y)


def _word_gradients(pair: Any, loss: Any) -> Any:
    """The loss's gradients by each side's real words, pair after pair."""
    tokens = [side.tokens[-1] for side in (pair.source, pair.pivot)]
    found = []
    by_tokens = torch.autograd.grad(loss, tokens)
    for side, gradient in zip((pair.source, pair.pivot), by_tokens, strict=True):
        rows = []
        for row, index in zip(gradient, side.word_index.tolist(), strict=True):
            rows += [row[t] for t, word in enumerate(index) if word >= 0 and index[t + 1] != word]
        found.append(torch.stack(rows))
    return found


@pytest.mark.parametrize("scope", ["batch", "sentence"])
def test_value_and_gradient_equal_geomloss_on_the_words(scope: str, problems: Any) -> None:
    objective = _objective(scope=scope)
    pair = example_pair(objective.views, DIMENSION, lengths=[(9, 7), (4, 6), (1, 3), (12, 12)])
    expected, by_x, by_y = _by_geomloss(problems(pair, objective.options))
    loss = objective(pair).value
    ours_x, ours_y = _word_gradients(pair, loss)
    assert loss.item() == pytest.approx(expected, abs=1e-4)
    assert torch.allclose(ours_x, by_x, atol=1e-4)
    assert torch.allclose(ours_y, by_y, atol=1e-4)


def test_it_reports_the_error_it_leaves_and_no_convergence() -> None:
    objective = _objective(scope="batch")
    loss = objective(example_pair(objective.views, DIMENSION))
    assert "converged" not in loss.health
    assert 0.1 < loss.health["marginal_error"] <= 2
    plan = loss.plan()[0]
    words = plan.shape[0]
    assert torch.allclose(plan.sum(1), torch.full((words,), 1 / words))
    columns = (plan.sum(0) - 1 / plan.shape[1]).abs().sum()
    assert loss.health["marginal_error"].item() == pytest.approx(columns.item(), abs=1e-5)
    assert loss.health["mass"].item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_health_stays_finite_at_any_scale(scale: float, scope: str) -> None:
    objective = _objective(scope=scope)
    pair = example_pair(objective.views, DIMENSION, lengths=[(40, 30), (3, 5)])
    for side in (pair.source, pair.pivot):
        side.tokens[-1] = scale * side.tokens[-1]
    health = objective(pair).health
    assert health["mass"].item() == pytest.approx(1, abs=1e-4)
    assert 0 <= health["marginal_error"] <= 2


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("marginals", ["uniform", "norm", "idf"])
def test_it_keeps_the_contract(marginals: str, scope: str) -> None:
    check_objective(lambda: _objective(scope=scope, marginals=marginals), dimension=DIMENSION)


@pytest.mark.parametrize("changes", [{"scaling": 1.0}, {"blur": 0.0}, {"scaling": -0.5}])
def test_an_impossible_schedule_is_refused(changes: Any) -> None:
    with pytest.raises(SettingError) as refused:
        AnnealedOptions(**changes)
    assert {refused.value.field} == set(changes)
