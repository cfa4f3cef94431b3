import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError
from otx.types import Example
from otx_tasks.dev_split import split_development


def items(groups: list[int]) -> list[Example]:
    return [Example(f"e{i}", str(g), {}) for i, g in enumerate(groups)]


def cluster(example: Example) -> str:
    return example.cluster


@given(st.lists(st.integers(0, 60), min_size=2, max_size=300).filter(lambda g: len({*g}) > 1))
def test_groups_are_whole_and_nothing_is_lost(groups: list[int]) -> None:
    examples = items(groups)
    training, development = split_development(examples, cluster, None)
    assert sorted(e.id for e in [*training, *development]) == sorted(e.id for e in examples)
    assert not {e.cluster for e in training} & {e.cluster for e in development}
    count = len({*groups})
    assert len({e.cluster for e in development}) == -(-count // 20)


def test_neither_order_nor_seed_matters_and_limits_are_nested() -> None:
    examples = items([i // 3 for i in range(300)])
    assert split_development(examples, cluster, None) == split_development(
        examples[::-1], cluster, None
    )
    small, some = split_development(examples, cluster, 20)
    large, _ = split_development(examples, cluster, 90)
    assert small == large[:20]
    assert len(some) == 1
    assert len({int(e.id[1:]) // 100 for e in small}) == 3  # a mix, not the beginning


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(DataError, match="1 groups"):
        split_development(items([0, 0]), cluster, None)
