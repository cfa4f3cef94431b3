from __future__ import annotations

import pytest
import torch

from otx.errors import PluginError, UsageError
from otx.testing import check_objective, random_pair
from otx.types import Encoded
from otx_baselines.distill import Distill
from otx_baselines.options import DistillOptions

DIMENSION = 6


def _objective(**changes):
    return Distill(DistillOptions(**changes), DIMENSION)


def _with_same_tokenizer(pair):
    states = pair.pivot.tokens[-1].detach() + 0.3
    pair.teacher_pivot = Encoded({-1: states}, pair.pivot.mask, pair.pivot.word_index)
    return pair


@pytest.fixture
def means(subwords_of):
    def of(encoded):
        return [torch.stack(row).mean(0) for row in subwords_of(encoded)]

    return of


def test_sentences_equal_loops(means, double_pair, same_slope):
    objective = _objective()
    pair = double_pair(objective.needs, DIMENSION)

    def twin(moved):
        rows = zip(means(moved.pivot), means(moved.source), means(moved.teacher_pivot), strict=True)
        total = sum(float((p - t).square().sum() + (s - t).square().sum()) for p, s, t in rows)
        return total / (2 * len(pair.source.mask) * DIMENSION)

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


def test_tokens_equal_loops(means, subwords_of, double_pair, same_slope):
    objective = _objective(form="token")
    pair = _with_same_tokenizer(double_pair(objective.needs, DIMENSION))

    def twin(moved):
        own, theirs = subwords_of(moved.pivot), subwords_of(moved.teacher_pivot)
        tokens = [p for rows in zip(own, theirs, strict=True) for p in zip(*rows, strict=True)]
        pivot = sum(float((p - t).square().sum()) for p, t in tokens) / (len(tokens) * DIMENSION)
        rows = [*zip(means(moved.source), means(moved.teacher_pivot), strict=True)]
        source = sum(float((s - t).square().sum()) for s, t in rows) / (len(rows) * DIMENSION)
        return (pivot + source) / 2

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


def test_a_pupil_that_says_what_the_teacher_says_is_at_its_least():
    for form in ("sentence", "token"):
        objective = _objective(form=form)
        pair = random_pair(objective.needs, DIMENSION)
        for encoded in (pair.source, pair.pivot):
            encoded.tokens = {-1: torch.ones_like(encoded.tokens[-1], requires_grad=True)}
        states = torch.ones_like(pair.pivot.tokens[-1])
        pair.teacher_pivot = Encoded({-1: states}, pair.pivot.mask, pair.pivot.word_index)
        assert objective(pair).value.item() == pytest.approx(0, abs=1e-10)


def test_another_width_goes_through_a_trained_map(means):
    torch.manual_seed(0)
    objective = _objective(teacher_width=3)
    pair = random_pair(objective.needs, DIMENSION)
    teacher = random_pair(objective.needs, 3).teacher_pivot
    pair.teacher_pivot = teacher
    matrix = objective.map.weight.detach().double()
    rows = zip(means(pair.pivot), means(pair.source), means(teacher), strict=True)
    total = sum(
        (matrix @ p - t).square().sum() + (matrix @ s - t).square().sum() for p, s, t in rows
    )
    expected = float(total) / (2 * 4 * 3)
    assert objective(pair).value.item() == pytest.approx(expected, rel=1e-5)


def test_a_width_that_was_not_said_is_refused_with_the_setting():
    pair = random_pair(_objective().needs, DIMENSION)
    pair.teacher_pivot = random_pair(_objective().needs, 3).teacher_pivot
    with pytest.raises(UsageError, match="have 3 dimensions, the encoder's 6") as refused:
        _objective()(pair)
    assert refused.value.remedy == "set distill.teacher_width = 3"


def test_tokens_of_another_tokenizer_are_refused():
    objective = _objective(form="token")
    with pytest.raises(UsageError, match="other sub-words than the encoder"):
        objective(random_pair(objective.needs, DIMENSION))


def test_without_a_teacher_it_says_so():
    pair = random_pair(_objective().needs, DIMENSION)
    pair.teacher_pivot = None
    with pytest.raises(PluginError, match="no teacher view"):
        _objective()(pair)


def test_it_keeps_the_contract():
    check_objective(_objective, dimension=DIMENSION)
