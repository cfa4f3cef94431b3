from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from otx.errors import ProblemError
from otx.testing import check_objective, example_pair
from otx.views import Links
from otx_baselines.l2 import L2
from otx_baselines.options import L2Options

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return L2(L2Options(**changes), DIMENSION)


def _links(pair: Any) -> None:
    pair.views[Links] = torch.tensor([(0, 4, 1), (0, 0, 0), (0, 0, 3), (1, 1, 2), (3, 0, 1)])


@pytest.mark.parametrize("vector", ["last", "first"])
def test_it_is_the_mean_over_links_and_dimensions(vector: str, word_of: Any) -> None:
    objective = _objective(word_vector=vector)
    pair = example_pair(objective.views, DIMENSION)
    _links(pair)
    total, count = 0.0, 0
    for row, s, t in pair[Links].tolist():
        x, y = word_of(pair.source, row, s, vector), word_of(pair.pivot, row, t, vector)
        for d in range(DIMENSION):
            total, count = total + (x[d] - y[d]).item() ** 2, count + 1
    assert count == 5 * DIMENSION
    assert objective(pair).value.item() == pytest.approx(total / count, rel=1e-6)


def test_special_tokens_are_links_like_any_other(word_of: Any, ends_of: Any) -> None:
    objective = _objective(special_tokens=True)
    pair = example_pair(objective.views, DIMENSION)
    _links(pair)
    source = [word_of(pair.source, row, s) for row, s, _ in pair[Links].tolist()]
    pivot = [word_of(pair.pivot, row, t) for row, _, t in pair[Links].tolist()]
    source, pivot = source + ends_of(pair.source), pivot + ends_of(pair.pivot)
    expected = F.mse_loss(torch.stack(source), torch.stack(pivot))
    assert len(source) == 5 + 2 * 4
    assert objective(pair).value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_no_links_are_no_loss() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    pair.views[Links] = pair[Links][:0]
    loss = _objective()(pair).value
    loss.backward()
    assert loss.item() == 0
    assert (pair.source.tokens[-1].grad == 0).all()


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ((1, 3, 0), "pair 1 of the batch: no source word 3"),
        ((3, 0, 60), "pair 3 of the batch: no pivot word 60"),
        ((2, -1, 0), "pair 2 of the batch: no source word -1"),
    ],
)
def test_a_link_to_a_word_that_is_not_there_is_refused(link: Any, complaint: str) -> None:
    pair = example_pair(_objective().views, DIMENSION)
    pair.views[Links] = torch.tensor([(0, 0, 0), link])
    with pytest.raises(ProblemError, match=complaint):
        _objective()(pair)


@pytest.mark.parametrize("special_tokens", [False, True])
def test_it_keeps_the_contract(special_tokens: bool) -> None:
    check_objective(lambda: _objective(special_tokens=special_tokens), dimension=DIMENSION)


def test_the_gradient_is_that_of_a_loop(word_of: Any, double_pair: Any, same_slope: Any) -> None:
    objective = _objective()
    pair = double_pair(objective.views, DIMENSION)
    _links(pair)

    def twin(moved: Any) -> Any:
        gaps = [
            word_of(moved.source, row, s) - word_of(moved.pivot, row, t)
            for row, s, t in moved[Links].tolist()
        ]
        return float(torch.stack(gaps).square().mean())

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)
