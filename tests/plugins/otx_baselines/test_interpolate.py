from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.testing import check_objective, example_pair
from otx.types import MissingViewError, Sides
from otx.views import Reference, States
from otx_baselines.interpolate import Interpolate
from otx_baselines.options import InterpolateOptions

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return Interpolate(InterpolateOptions(**changes), DIMENSION)


def _squared(u: Any, v: Any) -> Any:
    return float((u - v).square().sum())


def _angle(u: Any, v: Any) -> Any:
    return 1 - float(u @ v / (u.norm() * v.norm()))


@pytest.mark.parametrize(("distance", "of_two"), [("squared", _squared), ("cosine", _angle)])
@pytest.mark.parametrize("vector", ["last", "mean"])
def test_value_and_gradient_equal_a_loop(
    distance: str, of_two: Any, vector: str, words_of: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(distance=distance, word_vector=vector)
    pair = double_pair(objective.views, DIMENSION)

    def twin(moved: Any) -> Any:
        halves = []
        for now, then in (
            (moved.source, moved[Reference].source),
            (moved.pivot, moved[Reference].pivot),
        ):
            rows = zip(words_of(now, vector), words_of(then, vector), strict=True)
            pairs = [p for own, old in rows for p in zip(own, old, strict=True)]
            halves.append(sum(of_two(*p) for p in pairs) / len(pairs))
        return sum(halves) / 2

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


@pytest.mark.parametrize("distance", ["squared", "cosine"])
def test_where_nothing_has_moved_it_is_at_its_least(distance: str) -> None:
    objective = _objective(distance=distance)
    pair = example_pair(objective.views, DIMENSION)
    pair.views[Reference] = Sides(pair.source, pair.pivot)
    assert objective(pair).value.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("distance", ["squared", "cosine"])
def test_it_keeps_the_contract(distance: str) -> None:
    check_objective(lambda: _objective(distance=distance), dimension=DIMENSION)


def test_without_the_frozen_encoder_it_says_so() -> None:
    pair = example_pair({States()}, DIMENSION)
    with pytest.raises(MissingViewError, match="no view Reference"):
        _objective()(pair)


def test_the_order_of_words_does_not_matter(words_of: Any) -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION, lengths=((1, 4),))
    before = objective(pair).value.item()
    # Whole words change places with all their sub-words, in both encoders' states alike.
    order = torch.argsort(-pair.pivot.word_index[0], stable=True)
    for encoded in (pair.pivot, pair[Reference].pivot):
        encoded.tokens = {-1: encoded.tokens[-1][:, order]}
    pair.pivot.word_index = pair.pivot.word_index[:, order]
    pair.pivot.mask = pair.pivot.mask[:, order]
    pair[Reference].pivot.word_index, pair[Reference].pivot.mask = (
        pair.pivot.word_index,
        pair.pivot.mask,
    )
    assert objective(pair).value.item() == pytest.approx(before, rel=1e-6)
