from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.errors import UsageError
from otx.testing import check_objective, example_pair
from otx.types import Encoded, MissingViewError
from otx.views import States, Teacher
from otx_baselines.distill import Distill
from otx_baselines.options import DistillOptions

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return Distill(DistillOptions(**changes), DIMENSION)


def _with_same_tokenizer(pair: Any) -> Any:
    states = pair.pivot.tokens[-1].detach() + 0.3
    pair.views[Teacher] = Encoded({-1: states}, pair.pivot.mask, pair.pivot.word_index)
    return pair


@pytest.fixture
def means(subwords_of: Any) -> Any:
    def of(encoded: Any) -> Any:
        return [torch.stack(row).mean(0) for row in subwords_of(encoded)]

    return of


def test_sentences_equal_loops(means: Any, double_pair: Any, same_slope: Any) -> None:
    objective = _objective()
    pair = double_pair(objective.views, DIMENSION)

    def twin(moved: Any) -> Any:
        rows = zip(means(moved.pivot), means(moved.source), means(moved[Teacher]), strict=True)
        total = sum(float((p - t).square().sum() + (s - t).square().sum()) for p, s, t in rows)
        return total / (2 * len(pair.source.mask) * DIMENSION)

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


def test_tokens_equal_loops(
    means: Any, subwords_of: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(form="token")
    pair = _with_same_tokenizer(double_pair(objective.views, DIMENSION))

    def twin(moved: Any) -> Any:
        own, theirs = subwords_of(moved.pivot), subwords_of(moved[Teacher])
        tokens = [p for rows in zip(own, theirs, strict=True) for p in zip(*rows, strict=True)]
        pivot = sum(float((p - t).square().sum()) for p, t in tokens) / (len(tokens) * DIMENSION)
        rows = [*zip(means(moved.source), means(moved[Teacher]), strict=True)]
        source = sum(float((s - t).square().sum()) for s, t in rows) / (len(rows) * DIMENSION)
        return (pivot + source) / 2

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


def test_a_pupil_that_says_what_the_teacher_says_is_at_its_least() -> None:
    for form in ("sentence", "token"):
        objective = _objective(form=form)
        pair = example_pair(objective.views, DIMENSION)
        for encoded in (pair.source, pair.pivot):
            encoded.tokens = {-1: torch.ones_like(encoded.tokens[-1], requires_grad=True)}
        states = torch.ones_like(pair.pivot.tokens[-1])
        pair.views[Teacher] = Encoded({-1: states}, pair.pivot.mask, pair.pivot.word_index)
        assert objective(pair).value.item() == pytest.approx(0, abs=1e-10)


def test_another_width_goes_through_a_trained_map(means: Any) -> None:
    torch.manual_seed(0)
    objective = _objective(teacher_width=3)
    pair = example_pair(objective.views, DIMENSION)
    teacher = example_pair(objective.views, 3)[Teacher]
    pair.views[Teacher] = teacher
    matrix = objective.map.weight.detach().double()
    rows = zip(means(pair.pivot), means(pair.source), means(teacher), strict=True)
    total = sum(
        (matrix @ p - t).square().sum() + (matrix @ s - t).square().sum() for p, s, t in rows
    )
    expected = float(total) / (2 * 4 * 3)
    assert objective(pair).value.item() == pytest.approx(expected, rel=1e-5)


def test_a_width_that_was_not_said_is_refused_with_the_setting() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    pair.views[Teacher] = example_pair(_objective().views, 3)[Teacher]
    with pytest.raises(UsageError, match="have 3 dimensions, the encoder's 6") as refused:
        _objective()(pair)
    assert refused.value.remedy == "set distill.teacher_width = 3"


def test_tokens_of_another_tokenizer_are_refused() -> None:
    objective = _objective(form="token")
    with pytest.raises(UsageError, match="other sub-words than the encoder"):
        objective(example_pair(objective.views, DIMENSION))


def test_without_a_teacher_it_says_so() -> None:
    pair = example_pair({States()}, DIMENSION)
    with pytest.raises(MissingViewError, match="no view Teacher"):
        _objective()(pair)


def test_it_keeps_the_contract() -> None:
    check_objective(_objective, dimension=DIMENSION)
