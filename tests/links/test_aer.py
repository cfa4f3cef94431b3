"""Alignment metrics against cases worked by hand and against the definitions, pair by pair."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.links.aer import METRICS, aer_statistics
from otx.links.pharaoh import GoldLinks

BY_NAME = {metric.name: metric for metric in METRICS}
LINKS = st.frozensets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12)


def gold(sure: set, possible: set) -> GoldLinks:
    return GoldLinks(frozenset(sure), frozenset(sure | possible))


def values(sums: dict) -> dict[str, float]:
    return {name: float(metric.compute(sums)) for name, metric in BY_NAME.items()}


def test_a_case_by_hand() -> None:
    # Of 4 links 2 are sure and 1 more is possible; 1 of 3 sure links is missed.
    links = frozenset({(0, 0), (1, 1), (2, 3), (9, 9)})
    sums = aer_statistics(links, gold({(0, 0), (1, 1), (2, 2)}, {(2, 3)}))
    assert sums == {"a": 4.0, "s": 3.0, "a_s": 2.0, "a_p": 3.0}
    assert values(sums) == pytest.approx(
        {
            "aer": 1 - (2 + 3) / (4 + 3),
            "precision": 3 / 4,
            "recall": 2 / 3,
            "f1": 2 * (3 / 4) * (2 / 3) / (3 / 4 + 2 / 3),
        }
    )


def test_a_perfect_alignment_may_hold_possible_links_or_leave_them_out() -> None:
    truth = gold({(0, 0)}, {(1, 0)})
    for links in (truth.sure, truth.possible):
        assert values(aer_statistics(links, truth)) == {
            "aer": 0.0,
            "precision": 1.0,
            "recall": 1.0,
            "f1": 1.0,
        }


def test_no_links_are_wholly_wrong_and_no_gold_is_no_number() -> None:
    nothing = values(aer_statistics(frozenset(), gold({(0, 0)}, set())))
    assert nothing == {"aer": 1.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    empty = values(aer_statistics(frozenset(), gold(set(), set())))
    assert math.isnan(empty["aer"]) and math.isnan(empty["recall"]) and empty["precision"] == 0
    assert values(aer_statistics(frozenset({(0, 0)}), gold(set(), set())))["aer"] == 1.0


@given(st.lists(st.tuples(LINKS, LINKS, LINKS), min_size=1, max_size=5))
def test_sums_over_pairs_give_the_corpus_numbers(pairs: list) -> None:
    sums: Counter = Counter()
    a, s, p = set(), set(), set()
    for number, (links, sure, other) in enumerate(pairs):
        sums.update(aer_statistics(links, gold(set(sure), set(other))))
        a |= {(number, *link) for link in links}
        s |= {(number, *link) for link in sure}
        p |= {(number, *link) for link in sure | other}
    if a and s:
        assert values(sums)["aer"] == pytest.approx(
            1 - (len(a & s) + len(a & p)) / (len(a) + len(s))
        )
        assert values(sums)["precision"] == pytest.approx(len(a & p) / len(a))
        assert values(sums)["recall"] == pytest.approx(len(a & s) / len(s))


@given(st.lists(st.tuples(LINKS, LINKS), min_size=1, max_size=6))
def test_arrays_of_sums_are_computed_elementwise(cases: list) -> None:
    rows = [aer_statistics(links, gold(set(sure), set())) for links, sure in cases]
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name, metric in BY_NAME.items():
        together = metric.compute(arrays)
        assert together.shape == (len(rows),)
        np.testing.assert_array_equal(together, [values(row)[name] for row in rows])


def test_only_the_error_rate_is_better_when_lower() -> None:
    assert [(m.name, m.higher_is_better) for m in METRICS] == [
        ("aer", False),
        ("precision", True),
        ("recall", True),
        ("f1", True),
    ]
