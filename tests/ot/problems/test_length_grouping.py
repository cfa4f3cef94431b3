from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import ProblemError
from otx.ot.problems.length_grouping import GROUP_PRICE, group_by_length
from otx.ot.solvers.sinkhorn import sinkhorn
from tests.examples import examples


def _masses(lengths: Any, width: Any) -> Any:
    mass = torch.zeros(len(lengths), width)
    for row, length in enumerate(lengths):
        mass[row, :length] = 1 / length
    return mass


@examples(60)
@given(lengths=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=80))
def test_every_problem_is_in_one_group_that_holds_all_its_mass(lengths: Any) -> None:
    a, b = (_masses(side, 90) for side in zip(*lengths, strict=True))
    found = group_by_length(a, b)
    members = torch.cat([group.index for group in found])
    assert sorted(members.tolist()) == list(range(len(lengths)))
    for group in found:
        assert bool((a[group.index, group.n :] == 0).all())
        assert bool((b[group.index, group.m :] == 0).all())


def test_cutting_pays() -> None:
    lengths = [5] * 60 + [90] * 4
    a = _masses(lengths, 90)
    found = group_by_length(a, a)
    padded = sum(len(group.index) * group.n * group.m for group in found)
    assert len(found) == 2
    assert padded + GROUP_PRICE < a.numel() * 90


def test_alike_problems_stay_together() -> None:
    a = _masses([20, 19, 18, 20] * 30, 20)
    assert len(group_by_length(a, a)) == 1


def test_solving_in_groups_changes_nothing_but_the_order_of_work() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 80, 5, 7, 2, 60, 4, 4, 9, 3, 6, 8, 5, 3, 2, 7, 11, 4] * 2
    a = _masses(lengths, 90)
    b = _masses(lengths[::-1], 90)
    cost = torch.rand(len(lengths), 90, 90, generator=generator)
    assert len(group_by_length(a, b)) > 1
    found = sinkhorn(cost, a, b, epsilon=0.1)
    for place, (n, m) in enumerate(zip(lengths, lengths[::-1], strict=True)):
        part = slice(place, place + 1)
        alone = sinkhorn(cost[part, :n, :m], a[part, :n], b[part, :m], epsilon=0.1)
        assert found.value[place].item() == pytest.approx(alone.value.item(), abs=1e-6)
        assert torch.allclose(found.plan[place, :n, :m], alone.plan[0], atol=1e-6)
        assert bool((found.plan[place, n:] == 0).all() and (found.plan[place, :, m:] == 0).all())


def test_an_impossible_problem_is_named_by_its_place_in_the_whole_batch() -> None:
    lengths = [3] * 40 + [90] * 8
    a, cost = _masses(lengths, 90), torch.rand(48, 90, 90)
    cost[17, 0, 0] = torch.nan
    with pytest.raises(ProblemError, match="problem 17"):
        sinkhorn(cost, a, a, epsilon=0.1)
