from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.runs.mcnemar import exact_p
from otx.types import Metric, Score

ACCURACY = Metric("accuracy", lambda sums: sums["correct"] / sums["n"])
BOTH_WAYS = Metric("both", lambda sums: (sums["correct"] + sums["back"]) / (2 * sums["n"]))
F1 = Metric("f1", lambda sums: 2 * sums["correct"] / (sums["correct"] + sums["n"]))


def scores(outcomes: list[bool], cluster: str = "c{}") -> list[Score]:
    return [
        Score(f"e{i}", cluster.format(i), {"correct": float(own), "back": 1.0, "n": 1.0})
        for i, own in enumerate(outcomes)
    ]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_against_the_sum_of_the_binomial(pairs: list[tuple[bool, bool]], random: object) -> None:
    one, other = scores([a for a, _ in pairs]), scores([b for _, b in pairs])
    random.shuffle(other)  # type: ignore[attr-defined]
    gained = sum(a and not b for a, b in pairs)
    lost = sum(b and not a for a, b in pairs)
    total = gained + lost
    tail = sum(comb(total, k) for k in range(min(gained, lost) + 1)) / 2**total
    assert exact_p(one, other, ACCURACY) == pytest.approx(min(1.0, 2 * tail))
    assert exact_p(other, one, ACCURACY) == exact_p(one, other, ACCURACY)


def test_where_it_does_not_apply() -> None:
    one, other = scores([True, False, True]), scores([True, True, True])
    assert exact_p(one, other, ACCURACY) is not None
    assert exact_p(one, other, BOTH_WAYS) is None
    assert exact_p(one, other, F1) is None
    together = scores([True, False, True], "shared")
    assert exact_p(together, scores([True, True, True], "shared"), ACCURACY) is None
