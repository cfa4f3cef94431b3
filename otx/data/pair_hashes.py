"""Hashes of the sentences of a corpus, computed once: filters, hold-out and contamination compare these, not text."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import regex

from otx.data.derived import derive
from otx.data.normalise import form_digest, normal_form
from otx.data.subset import blocks
from otx.files.arrays import ArrayWriter
from otx.files.digests import short_key
from otx.interfaces import Corpus

VERSION = 1
"""Raised whenever the same sentences would be hashed differently."""
BLOCK = 2**18
"""Pairs whose hashes are in memory at a time."""
_PLAIN, _NAMED = "plain", "named"


@dataclass(frozen=True, slots=True)
class PairHashes:
    """Hashes of the normal forms of both sides, source first.

    Attributes:
        plain: 64-bit hashes ``[N, 2]`` (uint64) by which equal sentences are equal in every language.
        named: 64-bit hashes ``[N, 2]`` (uint64) by which equal sentences of two languages differ.
    """

    plain: np.ndarray
    named: np.ndarray


def hash_pairs(corpus: Corpus) -> PairHashes:
    """Hash all sentences of a corpus, or take the hashes from the cache.

    Args:
        corpus: The whole corpus.

    Returns:
        The hashes; row i is pair i.
    """
    languages = corpus.source_language, corpus.pivot_language

    def build(folder: Path) -> Mapping[str, Any]:
        with (
            ArrayWriter(folder / f"{_PLAIN}.npy", np.uint64, width=2) as plain,
            ArrayWriter(folder / f"{_NAMED}.npy", np.uint64, width=2) as named,
        ):
            for pairs in blocks(corpus):
                forms = [(normal_form(pair.source), normal_form(pair.pivot)) for pair in pairs]
                plain.add(_hashes(forms, ("", "")))
                named.add(_hashes(forms, languages))
        return {}

    key = short_key(*hash_version(), languages, corpus.fingerprint())
    arrays = derive("hashes", key, len(corpus), build).arrays
    return PairHashes(arrays[_PLAIN], arrays[_NAMED])


def hash_version() -> tuple[Any, ...]:
    """Return what the hashes depend on besides the text: it belongs into the key of all that is computed from them."""
    # The tables of Unicode that decide what a letter is.
    return VERSION, (unicodedata.unidata_version, regex.__version__)


def _hashes(forms: list[tuple[str, str]], languages: tuple[str, str]) -> np.ndarray:
    digests = b"".join(
        form_digest(form, name)
        for both in forms
        for form, name in zip(both, languages, strict=True)
    )
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2)
