"""Which of two languages is the pivot, and what looks like a language."""

from __future__ import annotations

import re

from otx.errors import UsageError

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})?")
_NO_LANGUAGES = frozenset({"txt", "tsv", "csv", "tok", "raw", "src", "tgt", "trg", "ref", "xml"})


def looks_like_language(text: str) -> bool:
    """Whether it is a language code: two or three letters, perhaps with a script or region."""
    return _LANGUAGE.fullmatch(text) is not None and text not in _NO_LANGUAGES


def source_beside(pivot: str, languages: tuple[str, str], what: str) -> str:
    """The language of ``what`` that is not the pivot; UsageError if neither is the pivot."""
    if pivot not in languages:
        raise UsageError(
            f"{what} has {languages[0]} and {languages[1]}, but the pivot is {pivot}",
            f"add --set data.pivot={languages[0]} or give another corpus",
        )
    first, second = languages
    return second if first == pivot else first
