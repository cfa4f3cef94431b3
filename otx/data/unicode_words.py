"""Split Unicode text into word segments: the default rules of UAX 29 (revision 45) as one pattern.

The rules state between which characters there is no boundary. Written as the parts of a segment, they are regular. The
``regex`` module's own boundaries, ``\\b`` with its WORD flag, join an opening quotation mark and a vowel: 'apple' would
be 'apple and '.

References:
    Unicode Standard Annex 29, "Unicode Text Segmentation". https://www.unicode.org/reports/tr29/tr29-45.html
"""

from __future__ import annotations

import regex


def _one_of(*properties: str) -> str:
    """Match a character with one of these Word_Break properties, and the characters that extend it (WB4)."""
    kinds = "".join(rf"\p{{Word_Break={name}}}" for name in properties)
    return rf"[{kinds}]{_EXTENSION}"


_EXTENSION = r"[\p{Word_Break=Extend}\p{Word_Break=Format}\p{Word_Break=ZWJ}]*"
_ANY_LETTER = _one_of("ALetter", "Hebrew_Letter")
_HEBREW = _one_of("Hebrew_Letter")
_DIGIT = _one_of("Numeric")
_QUOTE = _one_of("Single_Quote")
_JOINER = _one_of("ExtendNumLet")

# WB5, WB6, WB7: a middle character counts only before another letter. WB7b, WB7c: so do Hebrew double quotes.
_LETTER = (
    rf"(?:{_HEBREW}{_one_of('Double_Quote')}(?={_HEBREW})"
    rf"|{_ANY_LETTER}(?:{_one_of('MidLetter', 'MidNumLet', 'Single_Quote')}(?={_ANY_LETTER}))?)"
)
# WB8, WB11, WB12
_NUMBER = rf"{_DIGIT}(?:{_one_of('MidNum', 'MidNumLet', 'Single_Quote')}(?={_DIGIT}))?"
# WB9, WB10, WB13
_RUN = rf"(?:(?:{_LETTER}|{_NUMBER})+|(?:{_one_of('Katakana')})+)"
# WB13a, WB13b; WB7a
_WORD = (
    rf"(?:{_JOINER})*{_RUN}(?:(?:{_JOINER})+{_RUN})*(?:{_JOINER})*"
    rf"(?:(?<=\p{{Word_Break=Hebrew_Letter}}{_EXTENSION}){_QUOTE})?"
)
_FLAG = rf"(?:{_one_of('Regional_Indicator')}){{1,2}}"  # WB15, WB16
_SPACE = rf"\p{{Word_Break=WSegSpace}}+{_EXTENSION}"  # WB3d
_OTHER = rf"(?:{_JOINER})+|[\s\S]{_EXTENSION}"  # WB999
_PART = rf"(?:{_WORD}|{_FLAG}|{_SPACE}|{_OTHER})"
_NEWLINE = r"\r\n|[\r\n\p{Word_Break=Newline}]"  # WB3, WB3a, WB3b
_ZWJ_PICTURE = rf"(?:(?<=\u200d)(?=\p{{Extended_Pictographic}}){_PART})*"  # WB3c

_SEGMENT = regex.compile(rf"{_NEWLINE}|{_PART}{_ZWJ_PICTURE}")


def segments(text: str) -> list[tuple[int, int]]:
    """Split a text into word segments, punctuation and white space included.

    Args:
        text: The text.

    Returns:
        Start and end of every segment in characters. Segments are adjacent and cover the text.

    Example:
        >>> segments("It's 3.5!")
        [(0, 4), (4, 5), (5, 8), (8, 9)]
    """
    return [match.span() for match in _SEGMENT.finditer(text)]
