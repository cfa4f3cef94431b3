"""Count inverse document frequencies of words on one side of a tokenised corpus."""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from otx.data.arrow import BLOCK
from otx.data.derived import derive
from otx.data.partitions import PART, Partitions
from otx.data.tokenised import TokenisedPairs
from otx.files.arrays import ArrayWriter
from otx.files.digests import short_key
from otx.types import TokenRow

VERSION = 1
"""Raised whenever the same rows would be counted differently."""
_COUNTED = np.dtype([("key", np.uint64), ("count", np.int64)])

Form = tuple[int, ...]
"""A word as the encoder reads it: its sub-words, in every script."""


class Idf:
    """Smooth inverse document frequencies, ``log((1 + N) / (1 + df)) + 1``.

    N is the number of sentences, and df the number of sentences with the word form. The weight is 1 for a form in every
    sentence and largest for an unseen form. Forms are known by hashes of 64 bits.

    Args:
        sentences: Number of sentences.
        forms: Hashes of the word forms, ascending ``[F]`` (uint64); may be mapped.
        frequencies: Number of sentences with each form ``[F]``; may be mapped.

    Example:
        >>> idf = Idf(3, np.array([form_hash((7,))]), np.array([3]))
        >>> idf.weights_of([(7,), (8,)]).round(3).tolist()
        [1.0, 2.386]

    References:
        scikit-learn, ``TfidfTransformer(smooth_idf=True)``.
        https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting
    """

    def __init__(self, sentences: int, forms: np.ndarray, frequencies: np.ndarray) -> None:
        self.sentences, self.forms, self.frequencies = sentences, forms, frequencies

    @classmethod
    def count(cls, pairs: TokenisedPairs, side: Literal["source", "pivot"]) -> Idf:
        """Count one side of a corpus, or take the counts from the cache.

        Memory grows neither with the corpus nor with its vocabulary.

        Args:
            pairs: The tokenised corpus.
            side: The side.

        Returns:
            The frequencies.
        """

        def build(folder: Path) -> Mapping[str, Any]:
            with (
                tempfile.TemporaryDirectory(dir=folder) as work,
                ArrayWriter(folder / "forms.npy", np.uint64) as forms,
                ArrayWriter(folder / "frequencies.npy", np.int64) as frequencies,
            ):
                partitions = Partitions(Path(work), _COUNTED, len(pairs))
                for counts in _counts(pairs, side):
                    records = np.empty(len(counts), dtype=_COUNTED)
                    records["key"] = np.fromiter(counts.keys(), np.uint64, len(counts))
                    records["count"] = np.fromiter(counts.values(), np.int64, len(counts))
                    partitions.add(records)
                for part in partitions.read():
                    different, among = np.unique(part["key"], return_inverse=True)
                    sums = np.zeros(len(different), dtype=np.int64)
                    np.add.at(sums, among, part["count"])
                    forms.add(different)
                    frequencies.add(sums)
            return {}

        key = short_key(VERSION, pairs.key, side)
        arrays = derive("idf", key, len(pairs), build).arrays
        return cls(len(pairs), arrays["forms"], arrays["frequencies"])

    def weights_of(self, forms: Sequence[Form]) -> np.ndarray:
        """Return the weights of word forms.

        Args:
            forms: The sub-words of each of F forms.

        Returns:
            Weights ``[F]``.
        """
        hashes = np.array([form_hash(form) for form in forms], dtype=np.uint64)
        frequencies = np.zeros(len(hashes))
        if len(self.forms):
            places = np.minimum(np.searchsorted(self.forms, hashes), len(self.forms) - 1)
            seen = self.forms[places] == hashes
            frequencies[seen] = self.frequencies[places[seen]]
        weights: np.ndarray = np.log((1 + self.sentences) / (1 + frequencies)) + 1
        return weights

    def weights(self, rows: Sequence[TokenRow]) -> np.ndarray:
        """Return the weights of the words of each row.

        Args:
            rows: B rows of sub-words.

        Returns:
            Weights ``[B, W]`` (float32) by word number; 0 if a row has no such word.
        """
        width = max((max(row.word_index, default=-1) for row in rows), default=-1) + 1
        weights = np.zeros((len(rows), max(width, 1)), dtype=np.float32)
        words = [(number, *word) for number, row in enumerate(rows) for word in _words(row)]
        if words:
            row, word, forms = zip(*words, strict=True)
            weights[list(row), list(word)] = self.weights_of(forms)
        return weights


def form_hash(form: Form) -> np.uint64:
    """Hash a word form.

    Args:
        form: Its sub-words.
    """
    digest = hashlib.blake2b(array("i", form).tobytes(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _counts(pairs: TokenisedPairs, side: Literal["source", "pivot"]) -> Iterator[Counter[int]]:
    """Yield the frequencies of the forms of one part of the corpus after the other, by their hashes."""
    counts: Counter[int] = Counter()
    for start in range(0, len(pairs), BLOCK):
        source, pivot, _ = pairs.rows(np.arange(start, min(start + BLOCK, len(pairs))))
        for row in source if side == "source" else pivot:
            counts.update({int(form_hash(form)) for _, form in _words(row)})
        if len(counts) > PART:
            yield counts
            counts = Counter()
    yield counts


def _words(row: TokenRow) -> Iterator[tuple[int, Form]]:
    """Yield each word's number and sub-words; the sub-words of a word are adjacent."""
    cells = zip(row.word_index, row.ids, strict=True)
    for word, group in groupby(cells, key=lambda cell: cell[0]):
        if word >= 0:
            yield word, tuple(token for _, token in group)
