"""Show foreign text, from files, models, plugins and paths, safely on a terminal."""

from __future__ import annotations

import re

QUOTED = 80
"""Maximum length of a quotation of foreign text in a message, in characters."""

# C0 but tab and line feed, DEL, C1, bidirectional embeddings, overrides and isolates, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Escape control characters and changes of text direction.

    A terminal would obey these instead of showing them. Line feeds and tabs stay. Everything that otx prints goes
    through this function.

    Args:
        text: The text.

    Example:
        >>> printable("a\x1b[31mb")
        'a\\u001b[31mb'
    """
    return _UNPRINTABLE.sub(_escaped, text)


def shorten(text: str, limit: int = QUOTED) -> str:
    r"""Shorten foreign text for a message: one line, with control characters escaped.

    Args:
        text: The text.
        limit: Maximum number of characters shown; a longer text ends in an ellipsis and its length.

    Example:
        >>> shorten("one\ntwo")
        'one\\ntwo'
        >>> shorten("x" * 300_000, limit=3)
        'xxx... (300,000 characters)'
    """
    shown = _one_line(text[:limit])
    return shown if len(text) <= limit else f"{shown}... ({len(text):,} characters)"


def quote(text: str, limit: int = QUOTED) -> str:
    """Quote foreign text for a message: ``shorten`` in single quotes.

    Args:
        text: The text.
        limit: Maximum number of characters shown.

    Example:
        >>> quote("x")
        "'x'"
    """
    shown = _one_line(text[:limit])
    return f"'{shown}'" if len(text) <= limit else f"'{shown}...' ({len(text):,} characters)"


def error_text(error: BaseException) -> str:
    r"""Format an exception on one line: its class, and its message if it has one.

    Args:
        error: The exception.

    Example:
        >>> error_text(ValueError("no\nsuch"))
        'ValueError: no such'
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(match: re.Match[str]) -> str:
    # Four digits, so that a JSON string stays a JSON string of the same text.
    return f"\\u{ord(match.group()):04x}"
