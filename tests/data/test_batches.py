from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.arithmetic import padding_share
from benchmarks.lengths import read_lengths
from otx.data.batches import BatchSampler
from otx.errors import DataError, UsageError

LENGTHS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=60)
CORPORA = st.lists(LENGTHS, min_size=1, max_size=3).map(
    lambda corpora: [np.array(own, dtype=np.int32) for own in corpora]
)


def draws(plan: BatchSampler, steps: range) -> list[tuple[int, np.ndarray]]:
    return [batch for step in steps for batch in plan.micro_batches(step)]


def seen(batches: Any, number: int) -> Counter[int]:
    return Counter(int(i) for own, indices in batches if own == number for i in indices)


@given(CORPORA, st.integers(8, 400), st.integers(0, 5))
def test_in_proportion_every_pair_comes_once_an_epoch(
    lengths: Any, batch_tokens: Any, seed: int
) -> None:
    plan = BatchSampler(lengths, batch_tokens=batch_tokens, seed=seed)
    for epoch in range(3):
        steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
        batches = draws(plan, steps)
        for number, own in enumerate(lengths):
            assert seen(batches, number) == Counter(range(len(own)))


@given(CORPORA, st.integers(8, 400), st.sampled_from(["proportional", "equal"]), st.booleans())
def test_the_token_budget_holds(
    lengths: Any, batch_tokens: Any, sampling: Any, every_pair: Any
) -> None:
    plan = BatchSampler(
        lengths, batch_tokens=batch_tokens, seed=1, sampling=sampling, every_pair=every_pair
    )
    for number, indices in draws(plan, range(plan.steps_per_epoch)):
        padded = len(indices) * lengths[number][indices].max(axis=0).sum()
        assert padded <= batch_tokens or len(indices) == 1
        assert len(indices) >= 1


@given(CORPORA, st.integers(1, 3), st.booleans(), st.sampled_from(["proportional", "equal"]))
def test_a_step_depends_on_its_number_alone(
    lengths: Any, accumulate: Any, every_pair: Any, sampling: Any
) -> None:
    def plan() -> BatchSampler:
        return BatchSampler(
            lengths,
            batch_tokens=100,
            seed=7,
            accumulate=accumulate,
            every_pair=every_pair,
            sampling=sampling,
        )

    one, other = plan(), plan()
    forwards = [one.micro_batches(step) for step in range(8)]
    for step in (7, 0, 5, 5, 2):
        again = other.micro_batches(step)
        assert [n for n, _ in again] == [n for n, _ in forwards[step]]
        for (_, left), (_, right) in zip(again, forwards[step], strict=True):
            np.testing.assert_array_equal(left, right)


def even(count: int, length: int = 10) -> np.ndarray:
    return np.full((count, 2), length, dtype=np.int32)


def test_equal_sampling_draws_small_corpora_again() -> None:
    plan = BatchSampler([even(400), even(40)], batch_tokens=200, seed=2, sampling="equal")
    batches = draws(plan, range(plan.steps_per_epoch))
    counts = Counter(number for number, _ in batches)
    assert counts[0] == counts[1] == 40  # 10 pairs of 20 padded sub-words make 200
    assert seen(batches, 0) == Counter(range(400))
    assert seen(batches, 1) == Counter({i: 10 for i in range(40)})


def test_every_pair_draws_from_every_corpus_in_every_step() -> None:
    lengths = [even(400), even(40), even(120)]
    plan = BatchSampler(lengths, batch_tokens=200, seed=2, every_pair=True, accumulate=2)
    assert plan.steps_per_epoch == 20
    for step in range(plan.steps_per_epoch):
        assert Counter(n for n, _ in plan.micro_batches(step)) == {0: 2, 1: 2, 2: 2}
    batches = draws(plan, range(plan.steps_per_epoch))
    assert seen(batches, 0) == Counter(range(400))
    assert seen(batches, 1) == Counter({i: 10 for i in range(40)})
    assert set(seen(batches, 2).values()) == {3, 4}


def test_accumulated_steps_go_on_without_a_gap() -> None:
    plan = BatchSampler([even(100)], batch_tokens=200, seed=4, accumulate=3)
    assert plan.steps_per_epoch == 4  # 10 micro-batches
    batches = draws(plan, range(10))
    assert len(batches) == 30
    for epoch in range(3):
        assert seen(batches[10 * epoch : 10 * epoch + 10], 0) == Counter(range(100))


def test_epochs_and_seeds_mix_pairs_anew() -> None:
    def company(seed: int, epoch: int) -> set[frozenset[int]]:
        plan = BatchSampler([even(200)], batch_tokens=200, seed=seed)
        steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
        return {frozenset(indices.tolist()) for _, indices in draws(plan, steps)}

    assert not company(1, 0) & company(1, 1)
    assert not company(1, 0) & company(2, 0)


def test_batches_of_one_corpus_are_not_sorted_by_length() -> None:
    lengths = np.stack([np.arange(4, 1_004)] * 2, axis=1)
    plan = BatchSampler([lengths], batch_tokens=4_000, seed=0)
    longest = [lengths[i].max() for _, i in draws(plan, range(plan.steps_per_epoch))]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


@pytest.mark.parametrize(("pairs", "most"), [(2_000, 0.25), (20_000, 0.1), (200_000, 0.03)])
def test_padding_of_real_lengths_is_a_small_part(pairs: int, most: float) -> None:
    lengths = read_lengths(pairs)[:, :2]
    plan = BatchSampler([lengths], batch_tokens=4096, seed=0)
    assert padding_share(lengths[i] for _, i in draws(plan, range(plan.steps_per_epoch))) < most


def test_an_overlong_pair_is_a_batch_of_its_own() -> None:
    lengths = np.array([[90, 80], *[[5, 5]] * 100])
    plan = BatchSampler([lengths], batch_tokens=50, seed=0)
    batches = [i.tolist() for _, i in draws(plan, range(plan.steps_per_epoch))]
    assert [0] in batches
    assert max(map(len, batches)) == 5


def test_pairs_without_words_are_never_drawn() -> None:
    lengths = np.array([[5, 5], [0, 0], [4, 4]])
    plan = BatchSampler([lengths], batch_tokens=50, seed=0)
    assert seen(draws(plan, range(plan.steps_per_epoch)), 0) == Counter([0, 2])
    with pytest.raises(DataError, match="corpus 2 of the run has no pair"):
        BatchSampler([lengths, np.zeros((3, 2), dtype=int)], batch_tokens=50, seed=0)


@pytest.mark.parametrize("settings", [{"batch_tokens": 0}, {"batch_tokens": 9, "accumulate": 0}])
def test_settings_without_sense_are_refused(settings: Any) -> None:
    with pytest.raises(UsageError, match="give 1 or more"):
        BatchSampler([even(3)], seed=0, **settings)
