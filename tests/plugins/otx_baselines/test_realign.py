from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.config.validation import SettingError
from otx.errors import ProblemError
from otx.testing import check_objective, example_pair
from otx.views import Links
from otx_baselines.options import RealignOptions
from otx_baselines.realign import Realign

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return Realign(RealignOptions(**changes), DIMENSION)


def _cosine(u: Any, v: Any) -> Any:
    return float(u @ v / (u.norm() * v.norm()))


def _loop(pair: Any, words_of: Any, strength: Any, temperature: Any, vector: Any) -> Any:
    """Every end of every link against all words, one at a time."""
    source, pivot = words_of(pair.source, vector), words_of(pair.pivot, vector)
    everything = [("s", r, n, v) for r, row in enumerate(source) for n, v in enumerate(row)]
    everything += [("p", r, n, v) for r, row in enumerate(pivot) for n, v in enumerate(row)]
    losses = []
    for row, i, j in pair[Links].tolist():
        ends = ("s", row, i, source[row][i]), ("p", row, j, pivot[row][j])
        for own, other in (ends, ends[::-1]):
            rivals = [w for w in everything if w[:3] != own[:3]]
            if strength == "weak":
                rivals = [w for w in rivals if w[0] != own[0]]
            scores = [_cosine(own[3], w[3]) / temperature for w in rivals]
            total = math.log(sum(map(math.exp, scores)))
            losses.append(total - _cosine(own[3], other[3]) / temperature)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("strength", ["weak", "strong"])
@pytest.mark.parametrize("vector", ["mean", "last"])
def test_value_and_gradient_equal_a_loop_over_all_words(
    strength: str, vector: str, words_of: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(strength=strength, temperature=0.3, word_vector=vector)
    pair = double_pair(objective.views, DIMENSION)
    pair.views[Links] = torch.tensor([(0, 4, 1), (0, 0, 0), (1, 1, 2), (3, 0, 1)])

    def twin(moved: Any) -> Any:
        return _loop(moved, words_of, strength, 0.3, vector)

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


def test_words_without_a_link_are_told_from(words_of: Any) -> None:
    """What sets it apart from `contrastive`: an unlinked word that comes nearer costs something."""
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    pair.views[Links] = torch.tensor([(0, 0, 0)])
    objective(pair).value.backward()
    unlinked = pair.pivot.word_index[1] >= 0
    assert (pair.pivot.tokens[-1].grad[1][unlinked] != 0).any()


def test_equal_partners_far_from_all_else_are_the_least() -> None:
    objective = _objective(temperature=0.01)
    pair = example_pair(objective.views, 16, lengths=((3, 3),))
    directions = torch.eye(16)
    for side in (pair.source, pair.pivot):
        side.tokens[-1].data = directions[side.word_index.clamp(min=0)]
    assert objective(pair).value.item() == pytest.approx(0, abs=1e-6)


def test_no_links_are_no_loss() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    pair.views[Links] = pair[Links][:0]
    loss = objective(pair).value
    loss.backward()
    assert loss.item() == 0 and (pair.source.tokens[-1].grad == 0).all()


def test_a_link_to_a_word_that_is_not_there_is_named() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    pair.views[Links] = torch.tensor([(1, 2, 0)])
    with pytest.raises(ProblemError, match="pair 1 of the batch: no source word 2"):
        objective(pair)


@pytest.mark.parametrize("strength", ["weak", "strong"])
def test_it_keeps_the_contract(strength: str) -> None:
    check_objective(lambda: _objective(strength=strength), dimension=DIMENSION)


def test_a_temperature_of_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="must be above 0"):
        RealignOptions(temperature=0)
