from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.data.normalise import normal_form, sentence_hash


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Hello,  World!", "hello world"),
        ("Straße №5", "straße no5"),
        ("\uff26\uff55\uff4c\uff4c 1\uff12", "full 12"),
        ("e\u0301te\u0301", "ÉTÉ"),
        ("你好。", "你好"),
    ],
)
def test_case_width_punctuation_and_spaces_do_not_count(text: str, other: str) -> None:
    assert normal_form(text) == normal_form(other)


def test_what_has_no_letters_stays_itself() -> None:
    assert normal_form(" ?! ") == "?!"
    assert normal_form("...") != normal_form("???")


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=30))
def test_only_letters_and_digits_are_left(text: str) -> None:
    form = normal_form(text)
    assert all(c.isalnum() for c in form) or not any(c.isalnum() for c in form)


def test_hashes_tell_languages_apart() -> None:
    assert sentence_hash("Hand", "de") != sentence_hash("Hand", "en")
    assert sentence_hash("Hand!", "de") == sentence_hash("hand", "de")
