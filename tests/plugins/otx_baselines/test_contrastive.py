from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx.views import Links
from otx_baselines.contrastive import Contrastive, strong, weak
from otx_baselines.options import ContrastiveOptions
from tests.examples import examples

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return Contrastive(ContrastiveOptions(**changes), DIMENSION)


def _cosine(u: Any, v: Any) -> Any:
    return (sum(a * b for a, b in zip(u, v, strict=True))) / (math.hypot(*u) * math.hypot(*v))


def _minus_log_softmax(word: Any, partner: Any, others: Any, temperature: Any) -> Any:
    scores = [_cosine(word, other) / temperature for other in others]
    return math.log(sum(map(math.exp, scores))) - scores[partner]


def _weak(source: Any, pivot: Any, temperature: Any) -> Any:
    losses = [_minus_log_softmax(x, k, pivot, temperature) for k, x in enumerate(source)]
    losses += [_minus_log_softmax(y, k, source, temperature) for k, y in enumerate(pivot)]
    return sum(losses) / len(losses)


def _strong(source: Any, pivot: Any, temperature: Any) -> Any:
    words, count, losses = source + pivot, len(source), []
    for k, word in enumerate(words):
        others = [w for n, w in enumerate(words) if n != k]
        partner = (k + count) % (2 * count)
        losses.append(_minus_log_softmax(word, partner - (partner > k), others, temperature))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("strength", "loop"), [("weak", _weak), ("strong", _strong)])
@pytest.mark.parametrize("vector", ["last", "first"])
def test_it_equals_loops_over_the_linked_words(
    strength: str, loop: Any, vector: str, word_of: Any
) -> None:
    objective = _objective(strength=strength, word_vector=vector, temperature=0.2)
    pair = example_pair(objective.views, DIMENSION)
    pair.views[Links] = torch.tensor([(0, 4, 1), (0, 0, 0), (0, 0, 3), (1, 1, 2), (3, 0, 1)])
    rows = pair[Links].tolist()
    source = [word_of(pair.source, row, s, vector).tolist() for row, s, _ in rows]
    pivot = [word_of(pair.pivot, row, t, vector).tolist() for row, _, t in rows]
    expected = loop(source, pivot, 0.2)
    assert objective(pair).value.item() == pytest.approx(expected, rel=1e-5)


@examples(25)
@given(count=st.integers(1, 6), seed=st.integers(0, 10**6), temperature=st.floats(0.05, 2.0))
def test_any_number_of_links_equals_loops(count: Any, seed: int, temperature: Any) -> None:
    random = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(count, 4, generator=random, dtype=torch.float64) for _ in range(2))
    unit_x, unit_y = F.normalize(x, dim=1), F.normalize(y, dim=1)
    for ours, loop in ((weak, _weak), (strong, _strong)):
        expected = loop(x.tolist(), y.tolist(), temperature)
        assert ours(unit_x, unit_y, temperature).item() == pytest.approx(expected, abs=1e-9)


def test_the_projector_is_two_layers_without_bias(word_of: Any) -> None:
    torch.manual_seed(0)
    objective = _objective(projector=3)
    pair = example_pair(objective.views, DIMENSION)
    hidden, output = (p.double() for p in objective.parameters())
    assert hidden.shape == (DIMENSION, DIMENSION)
    assert output.shape == (3, DIMENSION)

    def projected(side: Any, row: Any, number: Any) -> Any:
        return (output @ (hidden @ word_of(side, row, number)).clamp(min=0)).tolist()

    source = [projected(pair.source, row, s) for row, s, _ in pair[Links].tolist()]
    pivot = [projected(pair.pivot, row, t) for row, _, t in pair[Links].tolist()]
    expected = _strong(source, pivot, 0.1)
    assert objective(pair).value.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("strength", ["weak", "strong"])
def test_no_links_are_no_loss(strength: str) -> None:
    objective = _objective(strength=strength)
    pair = example_pair(objective.views, DIMENSION)
    pair.views[Links] = pair[Links][:0]
    loss = objective(pair).value
    loss.backward()
    assert loss.item() == 0
    assert (pair.source.tokens[-1].grad == 0).all()


@pytest.mark.parametrize("strength", ["weak", "strong"])
@pytest.mark.parametrize("projector", [None, 4])
def test_it_keeps_the_contract(strength: str, projector: Any) -> None:
    check_objective(lambda: _objective(strength=strength, projector=projector), dimension=DIMENSION)


@pytest.mark.parametrize("changes", [{"temperature": 0.0}, {"projector": 0}])
def test_impossible_options_are_refused(changes: Any) -> None:
    with pytest.raises(SettingError) as refused:
        ContrastiveOptions(**changes)
    assert {refused.value.field} == set(changes)


@pytest.mark.parametrize(("strength", "loop"), [("weak", _weak), ("strong", _strong)])
def test_the_gradient_is_that_of_a_loop(
    strength: str, loop: Any, word_of: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(strength=strength, temperature=0.3)
    pair = double_pair(objective.views, DIMENSION)

    def twin(moved: Any) -> Any:
        rows = moved[Links].tolist()
        source = [word_of(moved.source, row, s).tolist() for row, s, _ in rows]
        pivot = [word_of(moved.pivot, row, t).tolist() for row, _, t in rows]
        return loop(source, pivot, 0.3)

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)
