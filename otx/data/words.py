"""Words of a text, and the word of every sub-word.

In pre-tokenised text a word is a whitespace token. Otherwise it is a Unicode word segment (UAX 29,
default word boundaries) that has something to see in it: punctuation is a word, white space and
stray control characters are not. An ideograph is a segment of its own by those same rules. Text in
Thai, Lao, Khmer, Burmese and the other scripts that are written without spaces and that UAX 29
leaves to a dictionary (line-break class SA) is one span from one boundary to the next, and each
sub-word in it counts as a word.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

import regex

from otx.data.unicode_words import segments

Span = tuple[int, int]
"""Start and end of a word in characters, the end exclusive."""

_TOKEN = re.compile(r"\S+")
_INVISIBLE = regex.compile(r"[\s\p{Cc}\p{Cf}]*")
_UNSPACED = regex.compile(r"\p{Line_Break=SA}")


def split_words(text: str, *, pretokenised: bool) -> list[Span]:
    """Character spans of the words, in text order, disjoint, over every visible character."""
    if pretokenised:
        return [match.span() for match in _TOKEN.finditer(text)]
    visible = [
        span
        for span in segments(text)
        if text[span[0]].isalnum() or not _INVISIBLE.fullmatch(text, *span)
    ]
    return visible if _UNSPACED.search(text) is None else _join_unspaced(text, visible)


def splits_everywhere(text: str) -> bool:
    """Whether the words of ``split_words`` are those of ``word_index``: not in scripts that it leaves to sub-words."""
    return _UNSPACED.search(text) is None


def word_index(text: str, offsets: Sequence[Span], *, pretokenised: bool) -> list[int]:
    """The word of every sub-word, from the character span that the tokenizer gives it in ``text``.

    A sub-word belongs to the first word that it overlaps, so a space taken in at its front changes
    nothing. One that holds only white space belongs where the next one does (the lone "▁" of
    SentencePiece). An empty span is a special token: -1. Words are numbered from 0 in text order; a
    word that lost all its sub-words keeps its number, so that Pharaoh numbers hold. In a span of an
    unspaced script each sub-word is a word; those that start at one character (its bytes) share it.
    """
    spans = split_words(text, pretokenised=pretokenised)
    ends = [end for _, end in spans]
    unspaced = set[int]()
    if not pretokenised and _UNSPACED.search(text):
        unspaced = {n for n, (start, _) in enumerate(spans) if _UNSPACED.match(text, start)}
    anchors = [_anchor(spans, ends, offset) for offset in offsets]
    starts = {start for number, (start, _) in enumerate(spans) if number not in unspaced}
    starts |= {anchor[1] for anchor in anchors if anchor is not None and anchor[0] in unspaced}
    words = sorted(starts)

    index = [-1] * len(offsets)
    following = -1
    for place in range(len(offsets) - 1, -1, -1):
        anchor = anchors[place]
        if anchor is not None:
            following = bisect_right(words, anchor[1]) - 1
        if offsets[place][1] > offsets[place][0]:
            index[place] = following
    return index


def _join_unspaced(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans, those of unspaced scripts that touch made one."""
    joined: list[Span] = []
    end_of_run = -1
    for start, end in spans:
        unspaced = _UNSPACED.match(text, start) is not None
        if unspaced and start == end_of_run:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
        end_of_run = end if unspaced else -1
    return joined


def _anchor(spans: Sequence[Span], ends: Sequence[int], offset: Span) -> tuple[int, int] | None:
    """The first span that ``offset`` overlaps, and the first character of it that is in there."""
    start, end = offset
    number = bisect_right(ends, start)
    if end <= start or number == len(spans) or spans[number][0] >= end:
        return None
    return number, max(start, spans[number][0])
