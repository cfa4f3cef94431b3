r"""Split Unicode text into word segments by the default rules of UAX 29 (revision 45): as one pattern, and for arrays.

The rules state between which characters there is no boundary. Written as the parts of a segment, they are regular:
``segments`` matches them in one text. ``segment_starts`` applies them to all characters of an array at once, which for
thousands of texts takes a tenth of the time; tests check that both agree. The ``regex`` module's own boundaries, ``\b``
with its WORD flag, join an opening quotation mark and a vowel: 'apple' would be 'apple and '.

References:
    Unicode Standard Annex 29, "Unicode Text Segmentation". https://www.unicode.org/reports/tr29/tr29-45.html
"""

from __future__ import annotations

import numpy as np
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


class Kind:
    """Properties of a character, as bits of an integer: of an enumeration, numpy would make 64-bit arrays."""

    LETTER = 1
    HEBREW = 2
    DIGIT = 4
    KATAKANA = 8
    JOINER = 16
    MID_LETTER = 32
    MID_DIGIT = 64
    DOUBLE_QUOTE = 128
    SINGLE_QUOTE = 256
    EXTENSION = 512
    ZWJ = 1024
    NEWLINE = 2048
    SPACE = 4096
    FLAG = 8192
    PICTURE = 16384
    INVISIBLE = 32768
    UNSPACED = 65536
    BLANK = 131072
    KNOWN = 262144


def _of_breaks(*names: str) -> str:
    return "[" + "".join(rf"\p{{Word_Break={name}}}" for name in names) + "]"


_CLASSES = {
    Kind.LETTER: _of_breaks("ALetter", "Hebrew_Letter"),
    Kind.HEBREW: _of_breaks("Hebrew_Letter"),
    Kind.DIGIT: _of_breaks("Numeric"),
    Kind.KATAKANA: _of_breaks("Katakana"),
    Kind.JOINER: _of_breaks("ExtendNumLet"),
    Kind.MID_LETTER: _of_breaks("MidLetter", "MidNumLet", "Single_Quote"),
    Kind.MID_DIGIT: _of_breaks("MidNum", "MidNumLet", "Single_Quote"),
    Kind.DOUBLE_QUOTE: _of_breaks("Double_Quote"),
    Kind.SINGLE_QUOTE: _of_breaks("Single_Quote"),
    Kind.EXTENSION: _of_breaks("Extend", "Format", "ZWJ"),
    Kind.ZWJ: _of_breaks("ZWJ"),
    Kind.NEWLINE: _of_breaks("CR", "LF", "Newline"),
    Kind.SPACE: _of_breaks("WSegSpace"),
    Kind.FLAG: _of_breaks("Regional_Indicator"),
    Kind.PICTURE: r"\p{Extended_Pictographic}",
    Kind.INVISIBLE: r"[\s\p{Cc}\p{Cf}]",
    Kind.UNSPACED: r"\p{Line_Break=SA}",
}
_kinds = np.zeros(0x110000, dtype=np.uint32)
"""Kinds of every character that was met so far."""


def kinds(codes: np.ndarray) -> np.ndarray:
    """Return the kinds of characters, bits of ``Kind``.

    Args:
        codes: Code points ``[N]``.
    """
    result: np.ndarray = _kinds[codes]
    unknown = np.unique(codes[result == 0])
    if len(unknown):
        characters = "".join(map(chr, unknown.tolist()))
        found = np.full(len(unknown), Kind.KNOWN, dtype=np.uint32)
        for kind, pattern in _CLASSES.items():
            found[[match.start() for match in regex.finditer(pattern, characters)]] |= kind
        # White space of Python's own str, by which pre-tokenised text is split.
        found[[place for place, each in enumerate(characters) if each.isspace()]] |= Kind.BLANK
        _kinds[unknown] = found
        result = _kinds[codes]
    return result


def segment_starts(kinds: np.ndarray) -> np.ndarray:
    r"""Return True at each character that begins a word segment.

    Several texts are split as each by itself if a line feed stands between them.

    Args:
        kinds: Kinds of the characters ``[N]``.

    Example:
        >>> np.flatnonzero(segment_starts(kinds(np.frombuffer(b"It's 3.5!", dtype=np.uint8)))).tolist()
        [0, 4, 5, 8]
    """
    # WB4: an extension belongs to the character before it, unless that is a line end.
    attached = (kinds & Kind.EXTENSION) > 0
    attached[1:] &= (kinds[:-1] & Kind.NEWLINE) == 0
    attached[:1] = False
    places = np.flatnonzero(~attached)
    padded = np.concatenate([[0, 0], kinds[places], [0]]).astype(np.uint32)
    before, left, right, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]

    def both(first: np.ndarray, second: np.ndarray, kind: int, other: int) -> np.ndarray:
        return ((first & kind) > 0) & ((second & other) > 0)

    word = Kind.LETTER | Kind.DIGIT
    run = word | Kind.KATAKANA
    # WB5, WB8, WB9, WB10, WB13, WB13a, WB13b, WB7a
    joined = both(left, right, word, word) | both(left, right, Kind.KATAKANA, Kind.KATAKANA)
    joined |= both(left, right, run | Kind.JOINER, Kind.JOINER) | both(
        left, right, Kind.JOINER, run
    )
    joined |= both(left, right, Kind.HEBREW, Kind.SINGLE_QUOTE)
    # WB6, WB7; WB11, WB12; WB7b, WB7c
    for outer, middle in (
        (Kind.LETTER, Kind.MID_LETTER),
        (Kind.DIGIT, Kind.MID_DIGIT),
        (Kind.HEBREW, Kind.DOUBLE_QUOTE),
    ):
        joined |= both(left, after, outer, outer) & ((right & middle) > 0)
        joined |= both(before, right, outer, outer) & ((left & middle) > 0)
    # WB3c, WB3d: these look at the character just before, whatever it belongs to.
    previous = np.where(places > 0, kinds[places - 1], 0)
    joined |= both(previous, right, Kind.ZWJ, Kind.PICTURE)
    joined |= both(previous, right, Kind.SPACE, Kind.SPACE)
    # WB15, WB16: flags are pairs of indicators.
    flags = both(left, right, Kind.FLAG, Kind.FLAG)
    if flags.any():
        order = np.arange(len(flags))
        joined |= flags & ((order - np.maximum.accumulate(np.where(flags, 0, order))) % 2 == 1)
    starts = np.zeros(len(kinds), dtype=bool)
    starts[places[~joined]] = True
    return starts
