from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.data.filters import FilterSettings, filter_corpus
from otx.data.subset import each_pair
from otx.errors import UsageError


def kept(corpus: Any, **settings: Any) -> tuple[list[int], dict[str, int]]:
    filtered, counts = filter_corpus(corpus, FilterSettings(**settings))
    return [pair.line for pair in each_pair(filtered)], counts


def test_each_reason_is_counted(corpus: Any) -> None:
    pairs = [
        ("Hallo Welt.", "Hello world."),
        ("OTX 2.0", "otx 2.0!"),
        ("hallo, welt", "HELLO WORLD"),
        ("ja", "yes, of course, with the greatest pleasure"),
        ("Hallo Welt.", "Hi world."),
    ]
    lines, counts = kept(corpus(pairs), length_ratio=9)
    assert lines == [1, 5]
    assert counts == {"identical": 1, "length-ratio": 1, "duplicate": 1}


def test_every_filter_can_be_off(corpus: Any) -> None:
    whole = corpus([("a", "a"), ("a", "a"), ("b", "x" * 99)])
    filtered, counts = filter_corpus(whole, FilterSettings(False, None, False))
    assert filtered is whole
    assert set(counts.values()) == {0}


def test_all_may_go(corpus: Any) -> None:
    lines, counts = kept(corpus([("a", "a"), ("b", "b")]))
    assert lines == []
    assert counts["identical"] == 2


def test_the_ratio_counts_characters_without_spaces(corpus: Any) -> None:
    pairs = [("a b c d", "wxyz"), ("abcd", "wx"), ("abcde", "wx")]
    assert kept(corpus(pairs), length_ratio=2)[0] == [1, 2]
    with pytest.raises(UsageError, match=r"length ratio 0\.5"):
        FilterSettings(length_ratio=0.5)


WORDS = st.sampled_from(["a", "A!", "b", "ab", "a b", "?", "c" * 7])


@given(st.lists(st.tuples(WORDS, WORDS), max_size=25))
def test_filters_do_what_a_plain_loop_does(corpus: Any, pairs: Any) -> None:
    def form(text: str) -> str:
        return "".join(c for c in text.lower() if c.isalnum()) or text

    seen, lines = set(), []
    for line, (source, pivot) in enumerate(pairs, start=1):
        sizes = sorted((len(source.replace(" ", "")), len(pivot.replace(" ", ""))))
        if form(source) == form(pivot) or sizes[1] > 3 * sizes[0]:
            continue
        if (form(source), form(pivot)) not in seen:
            lines.append(line)
        seen.add((form(source), form(pivot)))
    found, counts = kept(corpus(pairs), length_ratio=3)
    assert found == lines
    assert sum(counts.values()) + len(found) == len(pairs)
