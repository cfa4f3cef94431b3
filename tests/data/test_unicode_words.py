from __future__ import annotations

import numpy as np
import regex
from hypothesis import given
from hypothesis import strategies as st

from otx.data.unicode_words import kinds, segment_starts, segments

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


KINDS = "CR LF Newline Extend ZWJ Format Regional_Indicator Katakana Hebrew_Letter ALetter Numeric "
KINDS += "Single_Quote Double_Quote MidNumLet MidLetter MidNum ExtendNumLet WSegSpace"
PATTERNS = {kind: regex.compile(rf"\p{{Word_Break={kind}}}") for kind in KINDS.split()}
PICTURE = regex.compile(r"\p{Extended_Pictographic}")


def kind_of(character: str) -> str:
    return next((kind for kind, p in PATTERNS.items() if p.match(character)), "Other")


def uax_29(text: str) -> list[str]:
    """The rules WB3 to WB999, one after another, as Unicode Standard Annex 29 lists them."""
    joined: list[tuple[str, str]] = []  # WB4: a character takes in what extends it
    words: list[str] = []
    for character in text:
        kind = kind_of(character)
        before = joined[-1] if joined else None
        if before is None:
            words.append(character)
        elif before[0][-1] == "\r" and kind == "LF":  # WB3
            words[-1] += character
        elif kind_of(before[0][-1]) in ("CR", "LF", "Newline") or kind in ("CR", "LF", "Newline"):
            words.append(character)  # WB3a, WB3b
        elif stays(before[0][-1], character):
            words[-1] += character
        elif kind in ("Extend", "Format", "ZWJ"):
            words[-1] += character
            joined[-1] = (before[0] + character, before[1])
            continue
        elif holds_together([k for _, k in joined], kind):
            words[-1] += character
        else:
            words.append(character)
        joined.append((character, kind))
    return rejoin(words, text)


def stays(before: str, character: str) -> bool:
    """WB3c and WB3d, which look at the character before, whatever it extends."""
    picture = before == "\u200d" and PICTURE.match(character) is not None
    return picture or kind_of(before) == kind_of(character) == "WSegSpace"


def holds_together(before: list[str], kind: str) -> bool:
    letters = ("ALetter", "Hebrew_Letter")
    last = before[-1]
    if last in letters and kind in letters:  # WB5
        return True
    if last == "Hebrew_Letter" and kind == "Single_Quote":  # WB7a
        return True
    if {last, kind} <= {*letters, "Numeric"}:  # WB8, WB9, WB10
        return True
    if last == kind == "Katakana":  # WB13
        return True
    word = (*letters, "Numeric", "Katakana", "ExtendNumLet")
    if last in word and kind == "ExtendNumLet":  # WB13a
        return True
    if last == "ExtendNumLet" and kind in word[:-1]:  # WB13b
        return True
    flags = 0
    while flags < len(before) and before[-1 - flags] == "Regional_Indicator":
        flags += 1
    return kind == "Regional_Indicator" and flags % 2 == 1  # WB15, WB16


def rejoin(words: list[str], text: str) -> list[str]:
    """WB6, WB7, WB7b, WB7c, WB11, WB12: a middle between two letters or two digits."""
    letters = ("ALetter", "Hebrew_Letter")
    kinds = [[k for c in w if (k := kind_of(c)) not in ("Extend", "Format", "ZWJ")] for w in words]
    found: list[str] = []
    at = 0
    while at < len(words):
        piece, own = words[at], kinds[at]
        while at + 2 < len(words) and len(kinds[at + 1]) == 1 and own and kinds[at + 2]:
            left, middle, right = own[-1], kinds[at + 1][0], kinds[at + 2][0]
            quote = left == right == "Hebrew_Letter" and middle == "Double_Quote"
            letter = left in letters and right in letters
            letter = letter and middle in ("MidLetter", "MidNumLet", "Single_Quote")
            digit = left == right == "Numeric"
            digit = digit and middle in ("MidNum", "MidNumLet", "Single_Quote")
            if not (quote or letter or digit):
                break
            piece += words[at + 1] + words[at + 2]
            own = kinds[at + 2]
            at += 2
        quoted = own[-2:] == ["Hebrew_Letter", "Single_Quote"] and at + 1 < len(words)
        if quoted and kinds[at + 1][:1] in (["ALetter"], ["Hebrew_Letter"]):
            words[at + 1], kinds[at + 1] = piece + words[at + 1], own + kinds[at + 1]
            at += 1
            continue
        found.append(piece)
        at += 1
    assert "".join(found) == text
    return found


@given(TEXTS)
def test_segments_follow_the_rules_of_uax_29(text: str) -> None:
    assert [text[start:end] for start, end in segments(text)] == uax_29(text)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_the_starts_of_all_segments_at_once(texts: list[str]) -> None:
    """Between texts stands a line feed; CR LF, which is invisible, counts as two there."""
    text = "\n".join(texts)
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    starts = np.flatnonzero(segment_starts(kinds(codes)))
    expected, base = [], 0
    for part in texts:
        expected += [base + start for start, _ in segments(part)]
        base += len(part) + 1
        expected.append(base - 1)
    assert starts.tolist() == expected[:-1]


def test_an_opening_quotation_mark_is_no_part_of_the_word() -> None:
    assert cut("'apple' 'tis l\u2019air \u2019o\u2019") == [
        *("'", "apple", "'", " ", "'", "tis", " ", "l\u2019air", " ", "\u2019", "o", "\u2019"),
    ]


def test_a_picture_after_a_joiner_goes_on() -> None:
    assert cut("a\u200d👨\u200d👩b") == ["a\u200d👨\u200d👩", "b"]
    assert cut("b·\u200dⓂ") == ["b·\u200dⓂ"]  # a picture that is a letter, too


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in segments(text)]
