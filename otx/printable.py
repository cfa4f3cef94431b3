"""Foreign text on the screen: from files, models, plugins and paths."""

from __future__ import annotations

import re

QUOTED = 80
"""Longest quotation of a foreign text in a message, in characters."""

# C0 but tab and line feed, DEL, C1, bidirectional embeddings, overrides and isolates, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Escape what a terminal would obey instead of showing: control characters and changes of direction.

    Line feeds and tabs stay. Everything that otx prints goes through this function.

    Example:
        >>> printable("a\x1b[31mb")
        'a\\u001b[31mb'
    """
    return _UNPRINTABLE.sub(_escaped, text)


def shorten(text: str, limit: int = QUOTED) -> str:
    r"""Put foreign text into a message: one line, at most ``limit`` characters of it, controls escaped.

    Args:
        text: The text.
        limit: Longest part that is shown; a longer text ends in an ellipsis and its length.

    Example:
        >>> shorten("one\ntwo")
        'one\\ntwo'
        >>> shorten("x" * 300_000, limit=3)
        'xxx... (300,000 characters)'
    """
    shown = _one_line(text[:limit])
    return shown if len(text) <= limit else f"{shown}... ({len(text):,} characters)"


def quote(text: str, limit: int = QUOTED) -> str:
    """Quote foreign text in a message: ``shorten`` in single quotes.

    Example:
        >>> quote("x")
        "'x'"
    """
    shown = _one_line(text[:limit])
    return f"'{shown}'" if len(text) <= limit else f"'{shown}...' ({len(text):,} characters)"


def error_text(error: BaseException) -> str:
    """Write an exception on one line: its class, and its message if it has one.

    Example:
        >>> error_text(ValueError("no\\nsuch"))
        'ValueError: no such'
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(match: re.Match[str]) -> str:
    # Four digits: a JSON string stays one, of the same text.
    return f"\\u{ord(match.group()):04x}"
