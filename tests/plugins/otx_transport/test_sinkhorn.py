from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from geomloss import SamplesLoss
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from otx.config.validation import SettingError
from otx.errors import ProblemError
from otx.testing import check_objective, example_pair
from otx_transport.options import SinkhornOptions
from otx_transport.sinkhorn import Sinkhorn
from tests import oracles
from tests.examples import examples

DIMENSION = 8
VARIANTS = [
    {"debias": False},
    {"debias": True},
    {"cost": "euclidean", "epsilon": 0.5},
    {"cost": "euclidean", "epsilon": 0.5, "debias": False, "marginals": "norm"},
    {"cost": "half-squared-euclidean", "epsilon": 1.0, "word_vector": "mean"},
    {"marginals": "norm", "word_vector": "first"},
    {"marginals": "idf", "debias": False},
    {"marginals": "idf"},
    {"unit": "subwords", "epsilon": 0.1},
]


def _objective(**changes: Any) -> Any:
    return Sinkhorn(SinkhornOptions(**changes), DIMENSION)


def _by_pot(problem: Any, options: Any, pot_value: Any) -> Any:
    return pot_value(problem, cost=options.cost, epsilon=options.epsilon, debias=options.debias)


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_loss_is_the_mean_of_pots_values(
    changes: Any, scope: str, problems: Any, pot_value: Any
) -> None:
    options = SinkhornOptions(scope=scope, **changes)
    objective = Sinkhorn(options, DIMENSION)
    pair = example_pair(objective.views, DIMENSION)
    loss = objective(pair)
    values = [_by_pot(problem, options, pot_value) for problem in problems(pair, options)]
    assert loss.value.item() == pytest.approx(np.mean(values), abs=2e-5, rel=1e-5)
    assert loss.health["converged"] == 1
    assert loss.health["mass"].item() == pytest.approx(1, abs=1e-5)
    assert loss.health["expected_mass"] == 1
    assert loss.health["marginal_error"] <= 1e-6


@examples(12, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    epsilon=st.sampled_from([0.05, 0.2, 1.0]),
)
def test_any_lengths_equal_pot(
    lengths: Any, seed: int, epsilon: float, problems: Any, pot_value: Any
) -> None:
    options = SinkhornOptions(epsilon=epsilon)
    objective = Sinkhorn(options, DIMENSION)
    pair = example_pair(objective.views, DIMENSION, lengths=lengths, seed=seed)
    values = [_by_pot(problem, options, pot_value) for problem in problems(pair, options)]
    assert objective(pair).value.item() == pytest.approx(np.mean(values), abs=2e-5)


def test_the_divergence_and_its_gradient_equal_geomloss(problems: Any) -> None:
    objective = _objective(cost="half-squared-euclidean", epsilon=4.0)
    pair = example_pair(objective.views, DIMENSION)
    tokens = pair.source.tokens[-1]
    loss = objective(pair).value
    (ours,) = torch.autograd.grad(loss, tokens)
    schedule = {"p": 2, "blur": 2.0, "scaling": 0.999}
    theirs, samples = 0.0, SamplesLoss("sinkhorn", **schedule)
    potentials = SamplesLoss("sinkhorn", **schedule, debias=False, potentials=True)
    for row, (x, y, a, b) in enumerate(problems(pair, objective.options)):
        f, g = (side.numpy().ravel() for side in potentials(torch.tensor(x), torch.tensor(y)))
        half_squared = ((x[:, None] - y) ** 2).sum(2) / 2
        plan = np.exp((f[:, None] + g - half_squared) / 4.0) * np.outer(a, b)
        oracles.balanced(plan, a, b, tolerance=1e-4)
        points = torch.tensor(x, requires_grad=True)
        value = samples(points, torch.tensor(y))
        theirs += value.item() / 4
        (gradient,) = torch.autograd.grad(value / 4, points)
        index = pair.source.word_index[row].tolist()
        last = [t for t, word in enumerate(index) if word >= 0 and index[t + 1] != word]
        assert torch.allclose(ours[row, last].double(), gradient, atol=1e-4)
    assert loss.item() == pytest.approx(theirs, abs=1e-4)


def test_the_gradient_is_that_of_finite_differences() -> None:
    objective = _objective(epsilon=0.2)
    pair = example_pair(objective.views, DIMENSION, lengths=[(3, 2), (2, 4)])
    states = pair.pivot.tokens[-1].detach().double()

    def value(tokens: Any) -> Any:
        pair.pivot.tokens[-1] = tokens
        pair.source.tokens[-1] = pair.source.tokens[-1].detach().double()
        return objective(pair).value

    wanted = states.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(wanted), wanted)
    direction = torch.randn(states.shape, generator=torch.Generator().manual_seed(1)).double()
    step = 1e-4
    slope = (value(states + step * direction) - value(states - step * direction)) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-3)


def test_equal_sides_are_at_zero_only_when_debiased() -> None:
    pair = example_pair(_objective().views, DIMENSION, lengths=[(4, 4), (2, 2)])
    pair = replace(pair, pivot=pair.source)
    assert _objective()(pair).value.item() == pytest.approx(0, abs=1e-6)
    assert _objective(debias=False, epsilon=0.5)(pair).value.item() > 0.01


def test_the_terms_add_up_to_the_loss() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    loss = _objective()(pair)
    assert set(loss.terms) == {"cross", "self"}
    assert sum(loss.terms.values()).item() == pytest.approx(loss.value.item(), abs=1e-6)
    assert _objective(debias=False)(pair).value.item() == pytest.approx(loss.terms["cross"].item())


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_it_keeps_the_contract(changes: Any, scope: str) -> None:
    check_objective(lambda: _objective(scope=scope, **changes), dimension=DIMENSION)


def test_autocast_changes_nothing_and_half_precision_little() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    exact = objective(pair)
    with torch.autocast("cpu", torch.bfloat16):
        assert objective(pair).value.item() == exact.value.item()
        for side in (pair.source, pair.pivot):
            side.tokens[-1] = side.tokens[-1].bfloat16()
        half = objective(pair)
    assert half.value.dtype == torch.float32
    assert half.value.item() == pytest.approx(exact.value.item(), abs=1e-2)
    assert half.health["mass"].item() == pytest.approx(1, abs=1e-4)


def test_an_unconverged_problem_is_reported() -> None:
    objective = _objective(epsilon=0.001, max_iterations=2)
    loss = objective(example_pair(objective.views, DIMENSION))
    assert loss.health["converged"] < 1
    assert loss.health["marginal_error"] > 1e-6
    assert loss.health["iterations"] <= 2


def test_a_side_without_words_is_refused() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    pair.source.word_index[2] = -1
    with pytest.raises(ProblemError, match="problem 2"):
        objective(pair)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"marginals": "idf", "unit": "subwords"}, "marginals"),
    ],
)
def test_impossible_options_are_refused_before_anything_loads(changes: Any, field: str) -> None:
    with pytest.raises(SettingError) as refused:
        SinkhornOptions(**changes)
    assert refused.value.field == field
