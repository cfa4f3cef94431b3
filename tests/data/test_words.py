from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from otx.data.words import split_words, word_index, word_indices

LETTERS = [
    *"abZ19_ .,:;'\u2019\"-!?@…",
    "\t",
    "\u00a0",
    "\u00ad",
    "\u200d",
    "\u2028",
    "é",
    "e\u0301",
]
LETTERS += [*"中文字ひカタ한국", "אב״", "ماء", "हिन्दी", "👨", "🇩🇪", "\U00020000", "㎏"]
TEXTS = st.lists(st.sampled_from(LETTERS), max_size=14).map("".join)


def cut(text: str, pretokenised: bool = False) -> list[str]:
    return [text[start:end] for start, end in split_words(text, pretokenised=pretokenised)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        (
            "don't l'homme l\u2019air aujourd\u2019hui",
            ["don't", "l'homme", "l\u2019air", "aujourd\u2019hui"],
        ),
        ("pi is 3.14, or 1,000.5", ["pi", "is", "3.14", ",", "or", "1,000.5"]),
        ("state-of-the-art snake_case", ["state", "-", "of", "-", "the", "-", "art", "snake_case"]),
        ("U.S.A. e.g. x.", ["U.S.A", ".", "e.g", ".", "x", "."]),
        ("我爱你。abc中文", ["我", "爱", "你", "。", "abc", "中", "文"]),
        ("\U00020000\U00020001", ["\U00020000", "\U00020001"]),
        ("カタカナの語", ["カタカナ", "の", "語"]),
        ("한국어 문장이다.", ["한국어", "문장이다", "."]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("قال: «نعم»", ["قال", ":", "«", "نعم", "»"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("👨‍👩‍👧🇩🇪🇫🇷", ["👨‍👩‍👧", "🇩🇪", "🇫🇷"]),
        ("ภาษาไทยง่าย มาก", ["ภาษาไทยง่าย", "มาก"]),
        ("ไทย99", ["ไทย", "99"]),
        ("a\u200b b\u2028c\u0007", ["a", "b", "c"]),
        ("   ", []),
        ("", []),
    ],
)
def test_words_are_what_uax_29_says(text: str, words: list[str]) -> None:
    assert cut(text) == words


INVISIBLE = regex.compile(r"[\s\p{Cc}\p{Cf}]*")


@given(st.text(max_size=40))
def test_spans_are_disjoint_and_hold_all_that_can_be_seen(text: str) -> None:
    spans = split_words(text, pretokenised=False)
    assert all(start < end for start, end in spans)
    assert all(end <= after for (_, end), (after, _) in pairwise(spans))
    covered = {place for start, end in spans for place in range(start, end)}
    for place, character in enumerate(text):
        assert place in covered or INVISIBLE.fullmatch(character)


@given(st.text(max_size=40))
def test_words_of_pretokenised_text_are_what_white_space_separates(text: str) -> None:
    assert cut(text, pretokenised=True) == text.split()


@st.composite
def pieces(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    """A text and sub-words of it in order: gaps (normalised away), spaces taken in, specials."""
    text = draw(TEXTS.filter(lambda text: not any(c in "ไทย" for c in text)))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    spans = list(pairwise(cuts))
    keep = draw(st.lists(st.booleans(), min_size=len(spans), max_size=len(spans)))
    spans = [span for span, kept in zip(spans, keep, strict=True) if kept]
    return text, [(0, 0), *spans, (0, 0)]


def naive(text: str, offsets: list[tuple[int, int]], pretokenised: bool) -> list[int]:
    """The word of a sub-word's first character that is in a word; a blank one follows the next."""
    home = {}
    for number, (start, end) in enumerate(split_words(text, pretokenised=pretokenised)):
        home.update(dict.fromkeys(range(start, end), number))
    found: list[int] = []
    for start, end in reversed(offsets):
        own = [home[place] for place in range(start, end) if place in home]
        later = next((word for word in reversed(found) if word >= 0), -1)
        found.append(own[0] if own else later if end > start else -1)
    return found[::-1]


@given(pieces(), st.booleans())
def test_a_subword_belongs_to_the_word_of_its_first_character(
    case: Any, pretokenised: bool
) -> None:
    text, offsets = case
    assert word_index(text, offsets, pretokenised=pretokenised) == naive(
        text, offsets, pretokenised
    )


@given(pieces(), st.booleans(), st.data())
def test_words_keep_their_numbers_when_subwords_are_cut(
    case: Any, pretokenised: bool, data: Any
) -> None:
    text, offsets = case
    whole = word_index(text, offsets, pretokenised=pretokenised)
    length = data.draw(st.integers(0, len(offsets)))
    part = word_index(text, offsets[:length], pretokenised=pretokenised)
    for own, full, (start, end) in zip(part, whole, offsets, strict=False):
        assert own == full or (own == -1 and INVISIBLE.fullmatch(text[start:end]))


@given(st.lists(pieces(), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_the_words_of_many_texts_are_those_of_each(
    cases: Any, pretokenised: bool, unspaced: bool
) -> None:
    if unspaced:
        cases = [("ok ภาษาไทย go", [(0, 2), (2, 3), (3, 7), (7, 10), (10, 13)]), *cases]
    owners = [number for number, (_, offsets) in enumerate(cases) for _ in offsets]
    flat = [offset for _, offsets in cases for offset in offsets]
    index = word_indices(
        [text for text, _ in cases],
        np.array(owners),
        np.array(flat).reshape(-1, 2),
        pretokenised=pretokenised,
    )
    each = [word_index(text, offsets, pretokenised=pretokenised) for text, offsets in cases]
    assert index.tolist() == [number for numbers in each for number in numbers]


def test_a_vanished_word_keeps_its_number() -> None:
    text = "one \ufe0f two three"
    assert word_index(text, [(0, 3), (6, 9), (9, 15)], pretokenised=True) == [0, 2, 3]


def test_a_space_in_front_or_alone_changes_nothing() -> None:
    text = "ab 3.5 cd"
    lone = [(0, 0), (0, 2), (2, 3), (3, 4), (4, 6), (6, 9), (9, 9)]
    assert word_index(text, lone, pretokenised=False) == [-1, 0, 1, 1, 1, 2, -1]
    assert word_index("a ", [(0, 1), (1, 2)], pretokenised=False) == [0, -1]


def test_in_unspaced_scripts_each_subword_is_a_word() -> None:
    text = "ok ภาษาไทย go"
    offsets = [(0, 2), (2, 3), (3, 7), (7, 10), (10, 13)]
    assert word_index(text, offsets, pretokenised=False) == [0, 1, 1, 2, 3]
    assert word_index(text, [(0, 2), (2, 7), (7, 10), (10, 13)], pretokenised=False) == [0, 1, 2, 3]
    assert word_index("ไท", [(0, 1), (0, 1), (0, 1), (1, 2)], pretokenised=False) == [0, 0, 0, 1]
    assert word_index(text, offsets, pretokenised=True) == [0, 1, 1, 1, 2]


def test_a_subword_over_two_words_counts_to_the_first() -> None:
    assert word_index("中文字", [(0, 2), (2, 3)], pretokenised=False) == [0, 2]
