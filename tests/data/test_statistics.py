from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from otx.data.statistics import Spread, describe


def test_a_corpus_is_described(corpus: Any) -> None:
    made = corpus(
        [
            ("Der Hund schläft.", "The dog sleeps."),
            ("der hund schläft", "the dog sleeps"),
            ("Der Hund schläft.", "A dog is asleep."),
            ("OK", "OK"),
            ("Собака спит, и долго", "The dog sleeps long"),
        ]
    )
    found = describe(made)
    assert (found.pairs, found.duplicates, found.identical, found.ledger.read) == (5, 1, 1, 5)
    source, pivot = found.sides
    assert (source.language, source.repeated, source.foreign) == ("de", 2, 1)
    assert (pivot.language, pivot.repeated, pivot.foreign) == ("en", 1, 0)
    assert source.scripts == ("Latin",) and source.in_script == pytest.approx(44 / 60, abs=0.01)
    # Words with punctuation as words of their own: 4, 3, 4, 1, 5.
    assert source.words == Spread(3.4, 4.0, np.percentile([4, 3, 4, 1, 5], 95), 5.0)
    assert source.characters.largest == 20.0
    ratios = [15 / 13, 14 / 12, 15 / 13, 1.0, 17 / 16]
    assert found.ratio.mean == pytest.approx(np.mean(ratios))


def test_refused_lines_are_counted_by_kind(corpus: Any) -> None:
    made = corpus([("eins", "one")])
    from otx.types import Problem

    made.refused = [
        Problem("x.de", 2, "empty", "nothing in the line"),
        Problem("x.en", 2, "empty", "nothing in the line"),
        Problem("x.en", 4, "nul", "control character"),
        Problem("x.en", 1, "crlf", "CR dropped"),
    ]
    found = describe(made)
    assert found.ledger.refused == {"empty": 1, "nul": 1}
    assert found.problems == {"empty": 2, "nul": 1, "crlf": 1}


def test_a_spread_is_what_numpy_says() -> None:
    numbers = np.random.default_rng(0).integers(1, 99, 500)
    found = Spread.of(numbers)
    assert found.mean == pytest.approx(numbers.mean())
    assert (found.median, found.high) == (np.median(numbers), np.percentile(numbers, 95))


def test_a_corpus_without_a_pair_is_described(corpus: Any) -> None:
    found = describe(corpus([]))
    assert (found.pairs, found.ratio, found.sides[0].words) == (0, None, None)
