"""Split a text into words, and find the word of every sub-word.

In pre-tokenised text, a word is a whitespace token. Otherwise a word is a Unicode word segment (UAX 29, default word
boundaries) with a visible character: punctuation is a word; white space and stray control characters are not. By these
rules every ideograph is a word. Some scripts are written without spaces, and UAX 29 leaves them to a dictionary
(line-break class SA): Thai, Lao, Khmer, Burmese and others. Text in such a script is one span from one boundary to the
next, and each of its sub-words counts as a word.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import regex

from otx.data.unicode_words import Kind, kinds, segment_starts, segments

Span = tuple[int, int]
"""Start and end of a word in characters, the end exclusive."""

_TOKEN = re.compile(r"\S+")
_INVISIBLE = regex.compile(r"[\s\p{Cc}\p{Cf}]*")
_UNSPACED = regex.compile(r"\p{Line_Break=SA}")


def split_words(text: str, *, pretokenised: bool) -> list[Span]:
    """Split a text into words.

    Args:
        text: The text.
        pretokenised: True if words are separated by white space.

    Returns:
        Character spans of the words, in text order and disjoint; they cover every visible character.

    Example:
        >>> split_words("a dog's life.", pretokenised=False)
        [(0, 1), (2, 7), (8, 12), (12, 13)]
        >>> split_words("a dog's life.", pretokenised=True)
        [(0, 1), (2, 7), (8, 13)]
    """
    if pretokenised:
        return [match.span() for match in _TOKEN.finditer(text)]
    visible = [
        span
        for span in segments(text)
        if text[span[0]].isalnum() or not _INVISIBLE.fullmatch(text, *span)
    ]
    return visible if _UNSPACED.search(text) is None else _join_unspaced(text, visible)


def splits_everywhere(text: str) -> bool:
    """Return True if no text is in a script without spaces (Thai, Lao, Khmer).

    In such scripts, sub-words count as words. Without them, the words of ``split_words`` are those of ``word_index``.

    Args:
        text: The text.

    Example:
        >>> splits_everywhere("a dog"), splits_everywhere("สะพาน")
        (True, False)
    """
    return _UNSPACED.search(text) is None


def word_index(text: str, offsets: Sequence[Span], *, pretokenised: bool) -> list[int]:
    """Find the word of every sub-word by its character span.

    A sub-word belongs to the first word that it overlaps, so that a leading space does not matter. A sub-word of white
    space alone (the single "▁" of SentencePiece) belongs to the word of the next sub-word. In a span of an unspaced
    script each sub-word is a word; sub-words that start at the same character (its bytes) share a word.

    Args:
        text: The text.
        offsets: Start and end of each sub-word in characters; an empty span is a special token.
        pretokenised: True if words are separated by white space.

    Returns:
        Word number of each sub-word, from 0 in text order; -1 for a special token. A word without sub-words keeps its
        number, so that Pharaoh indices stay valid.

    Example:
        >>> word_index("a dog's", [(0, 0), (0, 1), (1, 5), (5, 7), (0, 0)], pretokenised=False)
        [-1, 0, 1, 1, -1]
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


def word_indices(
    texts: Sequence[str], owners: np.ndarray, offsets: np.ndarray, *, pretokenised: bool
) -> np.ndarray:
    """Find the word of every sub-word of many texts, as ``word_index`` does for one.

    Args:
        texts: The texts.
        owners: Number of the text of each sub-word ``[K]``, ascending.
        offsets: Start and end of each sub-word in characters ``[K, 2]``; an empty span is a special token.
        pretokenised: True if words are separated by white space.

    Returns:
        Word number of each sub-word ``[K]``, from 0 in each text; -1 for a special token.

    Example:
        >>> offsets = np.array([[0, 0], [0, 1], [1, 5], [5, 7], [0, 2]])
        >>> word_indices(["a dog's", "ab"], np.array([0, 0, 0, 0, 1]), offsets, pretokenised=False).tolist()
        [-1, 0, 1, 1, 0]
    """
    text = "\n".join(texts)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    bases = np.cumsum(sizes) - sizes
    of_text = kinds(codes)
    starts, ends = _spans(of_text, pretokenised)
    place = offsets + bases[owners, None]
    # The first word that ends beyond the sub-word's start, if it begins before the sub-word's end.
    number = np.searchsorted(ends, place[:, 0], side="right")
    is_empty = offsets[:, 1] <= offsets[:, 0]
    reached = np.append(starts, len(codes) + 1)[number] < place[:, 1]
    # A sub-word without a word belongs to the word of the next one that has one.
    order = np.arange(len(number))
    following = np.where(reached & ~is_empty, order, len(order))
    following = np.minimum.accumulate(following[::-1])[::-1]
    owned = np.append(owners, -1)[following] == owners
    first = np.searchsorted(starts, bases)
    index = np.append(number, 0)[following] - first[owners]
    index = np.where(owned & ~is_empty, index, -1)
    if not pretokenised:
        unspaced = np.flatnonzero((of_text & Kind.UNSPACED) > 0)
        for owner in np.unique(np.searchsorted(bases, unspaced, side="right") - 1).tolist():
            some = slice(*np.searchsorted(owners, [owner, owner + 1]).tolist())
            pairs = [(start, end) for start, end in offsets[some].tolist()]
            index[some] = word_index(texts[owner], pairs, pretokenised=False)
    return index


def _spans(kinds: np.ndarray, pretokenised: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts and ends of words ``[W]``, those of unspaced scripts as UAX 29 leaves them."""
    if not len(kinds):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if pretokenised:
        inside = np.concatenate([[False], (kinds & Kind.BLANK) == 0, [False]])
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        return changes[::2], changes[1::2]
    starts = np.flatnonzero(segment_starts(kinds))
    visible = np.logical_or.reduceat((kinds & Kind.INVISIBLE) == 0, starts)
    return starts[visible], np.append(starts[1:], len(kinds))[visible]


def _join_unspaced(text: str, spans: Sequence[Span]) -> list[Span]:
    """Join adjacent spans of unspaced scripts."""
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
    """Return the first span that ``offset`` overlaps, and the first character of the overlap."""
    start, end = offset
    number = bisect_right(ends, start)
    if end <= start or number == len(spans) or spans[number][0] >= end:
        return None
    return number, max(start, spans[number][0])
