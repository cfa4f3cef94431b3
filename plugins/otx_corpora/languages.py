"""Recognise language codes, and tell source and pivot of a corpus apart."""

from __future__ import annotations

import re

from otx.errors import UsageError

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})?")
_NO_LANGUAGES = frozenset({"txt", "tsv", "csv", "tok", "raw", "src", "tgt", "trg", "ref", "xml"})


def looks_like_language(text: str) -> bool:
    """Return whether a text has the form of a language code.

    Two or three letters, which a script or region may follow.

    Args:
        text: The text.

    Example:
        >>> looks_like_language("de"), looks_like_language("zh-Hant"), looks_like_language("txt")
        (True, True, False)
    """
    return _LANGUAGE.fullmatch(text) is not None and text not in _NO_LANGUAGES


def source_language(pivot: str, languages: tuple[str, str], place: str) -> str:
    """Return the one of two languages that is not the pivot.

    Args:
        pivot: The pivot language.
        languages: The languages of a corpus.
        place: The corpus, for the message.

    Raises:
        UsageError: If neither language is the pivot.

    Example:
        >>> source_language("en", ("en", "de"), "corpus x")
        'de'
    """
    if pivot not in languages:
        raise UsageError(
            f"{place} has {languages[0]} and {languages[1]}, but the pivot is {pivot}",
            f"add --set data.pivot={languages[0]}, or give another corpus",
        )
    first, second = languages
    return second if first == pivot else first
