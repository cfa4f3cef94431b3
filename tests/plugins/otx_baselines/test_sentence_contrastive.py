from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx.views import Momentum
from otx_baselines.options import SentenceContrastiveOptions
from otx_baselines.sentence_contrastive import SentenceContrastive

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return SentenceContrastive(SentenceContrastiveOptions(**changes), DIMENSION)


def _cosine(u: Any, v: Any) -> Any:
    return float(u @ v / (u.norm() * v.norm()))


def _one_way(queries: Any, keys: Any, margin: Any, temperature: Any) -> Any:
    """Each query's cross-entropy among the keys, the one at its own place being right."""
    losses = []
    for b, query in enumerate(queries):
        scores = [
            (_cosine(query, key) - margin * (b == c)) / temperature for c, key in enumerate(keys)
        ]
        losses.append(math.log(sum(map(math.exp, scores))) - scores[b])
    return sum(losses) / len(losses)


@pytest.fixture
def means(subwords_of: Any) -> Any:
    """Sentence vectors as means over sub-words, one by one."""

    def of(encoded: Any) -> Any:
        return [torch.stack(row).mean(0) for row in subwords_of(encoded)]

    return of


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_value_and_gradient_equal_loops(
    margin: float, means: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(margin=margin, temperature=0.2)
    pair = double_pair(objective.views, DIMENSION)

    def twin(moved: Any) -> Any:
        x, y = means(moved.source), means(moved.pivot)
        return (_one_way(x, y, margin, 0.2) + _one_way(y, x, margin, 0.2)) / 2

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


def test_the_queue_holds_the_last_sentences_of_each_side_as_negatives(means: Any) -> None:
    """Six batches of 4 into a queue of 10, beside a list that is simply cut to its last 10."""
    objective = _objective(queue=10, temperature=0.2)
    assert Momentum() in objective.views
    sources, pivots = [], []
    for seed in range(6):
        pair = example_pair(objective.views, DIMENSION, seed=seed)
        x, y = means(pair.source), means(pair.pivot)
        x_key, y_key = means(pair[Momentum].source), means(pair[Momentum].pivot)
        forth = _one_way(x, y_key + pivots[-10:], 0.3, 0.2)
        back = _one_way(y, x_key + sources[-10:], 0.3, 0.2)
        assert objective(pair).value.item() == pytest.approx((forth + back) / 2, rel=1e-5)
        sources, pivots = sources + x_key, pivots + y_key
    kept = sorted(v.tolist() for v in objective.pivot_queue)
    wanted = sorted((v / v.norm()).tolist() for v in pivots[-10:])
    assert torch.allclose(torch.tensor(kept), torch.tensor(wanted), atol=1e-6)


def test_a_batch_larger_than_the_queue_leaves_its_last_sentences(means: Any) -> None:
    objective = _objective(queue=3)
    pair = example_pair(objective.views, DIMENSION)
    objective(pair)
    wanted = sorted((v / v.norm()).tolist() for v in means(pair[Momentum].source)[-3:])
    kept = sorted(objective.source_queue.tolist())
    assert torch.allclose(torch.tensor(kept), torch.tensor(wanted), atol=1e-6)


def test_a_queue_goes_on_from_a_checkpoint_as_if_never_stopped() -> None:
    whole, begun = _objective(queue=8), _objective(queue=8)
    pairs = [example_pair(whole.views, DIMENSION, seed=seed) for seed in range(4)]
    expected = [whole(pair).value.item() for pair in pairs]
    for pair in pairs[:2]:
        begun(pair)
    resumed = _objective(queue=8)
    resumed.load_state_dict(begun.state_dict())
    assert [resumed(pair).value.item() for pair in pairs[2:]] == expected[2:]


def test_translations_alike_and_all_others_opposed_are_the_least(means: Any) -> None:
    objective = _objective(temperature=0.01, margin=0.0)
    pair = example_pair(objective.views, DIMENSION, lengths=((2, 3), (4, 1)))
    for side in (pair.source, pair.pivot):
        side.tokens[-1].data = torch.tensor([1.0, -1.0])[:, None, None].expand_as(side.tokens[-1])
    assert objective(pair).value.item() == pytest.approx(0, abs=1e-6)


def test_it_depends_on_the_batch_and_says_so() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION, lengths=((3, 2),))
    assert objective.scope == "batch"
    assert objective(pair).value.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("queue", [0, 5])
def test_it_keeps_the_contract(queue: int) -> None:
    check_objective(lambda: _objective(queue=queue), dimension=DIMENSION)


@pytest.mark.parametrize("changes", [{"temperature": 0.0}, {"margin": -0.1}, {"queue": -1}])
def test_impossible_options_are_refused(changes: Any) -> None:
    with pytest.raises(SettingError) as refused:
        SentenceContrastiveOptions(**changes)
    assert {refused.value.field} == set(changes)
