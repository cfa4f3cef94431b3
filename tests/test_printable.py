from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from otx.printable import QUOTED, printable, quote
from tests.examples import examples

ANY_TEXT = st.text(st.characters(), max_size=30)


@given(text=ANY_TEXT)
@examples(300)
def test_no_control_character_is_left(text: str) -> None:
    shown = printable(text)
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cs")} <= {"\n", "\t"}
    assert not any(unicodedata.bidirectional(c) in ("LRE", "RLO", "LRI", "FSI") for c in shown)


@given(text=ANY_TEXT)
@examples(300)
def test_letters_of_every_script_stay(text: str) -> None:
    letters = "".join(c for c in text if unicodedata.category(c)[0] in "LMN")
    assert printable(letters) == letters


@given(text=st.text(st.characters(), max_size=3 * QUOTED))
@examples(200)
def test_a_quotation_is_one_short_line(text: str) -> None:
    shown = quote(text)
    assert "\n" not in shown
    assert len(shown) <= 10 * QUOTED + 40
    assert (
        text[:QUOTED] in shown
        or printable(text[:QUOTED]) != text[:QUOTED]
        or "\n" in text
        or "\t" in text
    )


def test_a_long_text_is_cut() -> None:
    assert quote("x" * 300_000) == "'" + "x" * QUOTED + "...' (300,000 characters)"
