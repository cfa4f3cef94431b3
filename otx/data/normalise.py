"""When two sentences count as the same: NFKC, lower case, letters and digits only."""

from __future__ import annotations

import hashlib
import unicodedata

import regex

_OTHER = regex.compile(r"[^\p{L}\p{N}]+")


def normal_form(text: str) -> str:
    """The sentence's letters and digits; one without any stays as it is."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    return _OTHER.sub("", lowered) or lowered.strip()


def sentence_hash(text: str, language: str = "") -> int:
    """64 bits of the normal form, in one language or, by default, whatever the language."""
    words = f"{language}\n{normal_form(text)}"
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "little")
