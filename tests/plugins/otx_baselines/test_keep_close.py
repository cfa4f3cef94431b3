from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.testing import check_objective, example_pair
from otx.views import Parameters, Reference
from otx_baselines.keep_close import KeepClose
from otx_baselines.options import KeepCloseOptions

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return KeepClose(KeepCloseOptions(**changes), DIMENSION)


@pytest.mark.parametrize("special_tokens", [False, True])
@pytest.mark.parametrize(
    ("reduction", "over"),
    [("mean", lambda words: words), ("sum", lambda words: 1), ("mse", lambda w: w * DIMENSION)],
)
def test_it_is_the_squared_norm_of_what_the_pivots_words_moved(
    reduction: str, over: Any, special_tokens: bool, word_of: Any, ends_of: Any
) -> None:
    objective = _objective(reduction=reduction, special_tokens=special_tokens)
    lengths = [(5, 4), (2, 3), (1, 2)]
    pair = example_pair(objective.views, DIMENSION, lengths=lengths)
    now, then = pair.pivot, pair[Reference].pivot
    moved = [
        word_of(now, row, number) - word_of(then, row, number)
        for row, (_, words) in enumerate(lengths)
        for number in range(words)
    ]
    if special_tokens:
        moved += [a - b for a, b in zip(ends_of(now), ends_of(then), strict=True)]
    total = sum(d.item() ** 2 for vector in moved for d in vector)
    expected = total / over(len(moved))
    assert objective(pair).value.item() == pytest.approx(expected, rel=1e-5)


def test_a_shift_of_every_word_is_its_squared_length() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    shift = torch.tensor([3.0, 4.0, 0, 0, 0, 0])
    pair.pivot.tokens[-1] = pair[Reference].pivot.tokens[-1] + shift
    assert objective(pair).value.item() == pytest.approx(25, rel=1e-5)


def test_the_source_side_is_free() -> None:
    objective = _objective()
    pair = example_pair(objective.views, DIMENSION)
    objective(pair).value.backward()
    assert pair.source.tokens[-1].grad is None
    assert pair.pivot.tokens[-1].grad.any()


def test_parameters_are_held_by_the_norm_and_not_its_square() -> None:
    objective = _objective(kind="parameters")
    assert objective.views == {Parameters()}
    pair = example_pair(objective.views, DIMENSION)
    moved = [x for now, then in pair[Parameters] for x in (now - then).flatten().tolist()]
    loss = objective(pair).value
    assert loss.item() == pytest.approx(math.sqrt(sum(x * x for x in moved)), rel=1e-5)
    loss.backward()
    slope = math.sqrt(
        sum(x * x for now, _ in pair[Parameters] for x in now.grad.flatten().tolist())
    )
    assert slope == pytest.approx(1, rel=1e-5)


def test_parameters_that_have_not_moved_get_no_gradient() -> None:
    initial = [torch.randn(3, 3), torch.randn(3)]
    pair = example_pair(set(), DIMENSION)
    pair.views[Parameters] = [(p.clone().requires_grad_(), p) for p in initial]
    with torch.no_grad():
        pair[Parameters][1][0].copy_(initial[1])
    loss = _objective(kind="parameters")(pair).value
    loss.backward()
    assert loss.item() == 0
    assert all((now.grad == 0).all() for now, _ in pair[Parameters])


@pytest.mark.parametrize("kind", ["hidden", "parameters"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "mse"])
@pytest.mark.parametrize("special_tokens", [False, True])
def test_it_keeps_the_contract(kind: str, reduction: str, special_tokens: bool) -> None:
    changes = {"kind": kind, "reduction": reduction, "special_tokens": special_tokens}
    check_objective(lambda: _objective(**changes), dimension=DIMENSION)


def test_the_gradient_is_that_of_a_loop(words_of: Any, double_pair: Any) -> None:
    """Twice the difference over the words, at each word's last sub-word, and nothing elsewhere."""
    objective = _objective()
    pair = double_pair(objective.views, DIMENSION)
    objective(pair).value.backward()
    then = words_of(pair[Reference].pivot)
    count = sum(map(len, then))
    expected = torch.zeros_like(pair.pivot.tokens[-1])
    for row, index in enumerate(pair.pivot.word_index.tolist()):
        for word, before in enumerate(then[row]):
            last = max(t for t, own in enumerate(index) if own == word)
            now = pair.pivot.tokens[-1][row, last].detach()
            expected[row, last] = 2 * (now - before) / count
    assert torch.allclose(pair.pivot.tokens[-1].grad, expected)
