from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.data.languages import ScriptCounter, scripts_of, two_letters


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "Мост открыт."),
        ("el", "Η γέφυρα"),
        ("ar", "الجسر مفتوح"),
        ("hi", "पुल खुला है"),
        ("zh-TW", "橋開了"),
        ("ja", "橋は開いている カタカナ"),
        ("ko", "다리가 열렸다"),
        ("th", "สะพานเปิดแล้ว"),
        ("de", "Die Brücke ist geöffnet."),
        ("vi", "Cây cầu đã mở"),
    ],
)
def test_a_language_is_in_its_script_and_in_no_other(language: str, text: str) -> None:
    own, english, greek = (ScriptCounter(code) for code in (language, "en", "el"))
    for counter in (own, english, greek):
        counter.add(text)
    assert own.share == 1.0 and own.foreign == 0
    if "Latin" not in scripts_of(language):
        assert english.share == 0.0 and english.foreign == 1
    if language != "el":
        assert greek.share == 0.0 and greek.foreign == 1


@given(st.lists(st.text(st.characters(exclude_categories=("Cn", "Cs")), max_size=20), max_size=5))
def test_letters_are_counted_as_unicode_names_them(texts: list[str]) -> None:
    counter = ScriptCounter("en")
    for text in texts:
        counter.add(text)
    letters = [c for text in texts for c in text if unicodedata.category(c).startswith("L")]
    assert counter.letters == len(letters)
    named = [c for c in letters if unicodedata.name(c, "").startswith("LATIN")]
    # Unicode counts a few signs with other names as Latin: ordinals, the Kelvin sign, full-width letters.
    assert len(named) <= counter.native <= counter.letters


def test_text_without_letters_is_foreign_to_nobody() -> None:
    counter = ScriptCounter("ru")
    counter.add("12 - 34 %")
    assert counter.share == 0.0 and counter.foreign == 0


@pytest.mark.parametrize(
    ("code", "short"),
    [
        ("deu", "de"), ("cmn", "zh"), ("zho-CN", "zh"), ("zho-TW", "zh-TW"), ("arb", "ar"), ("swh", "sw"),
        ("swa", "sw"), ("pes", "fa"), ("ell", "el"), ("srp-Latn", "sr-Latn"), ("de", "de"), ("ceb", "ceb"),
        ("zh_CN", "zh"), ("deu_Latn", "de-Latn"),
    ],
)  # fmt: skip
def test_codes(code: str, short: str) -> None:
    assert two_letters(code) == short
