"""Inverse document frequencies of words, counted on one side of a tokenised corpus."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

import numpy as np

from otx.data.arrow import BLOCK
from otx.data.tokenised import TokenisedPairs
from otx.types import TokenRow

Form = tuple[int, ...]
"""A word as the encoder sees it, its sub-words: that holds in every script."""


class Idf:
    """Smooth idf of a word form, ``log((1 + N) / (1 + df)) + 1`` (scikit-learn's ``smooth_idf``).

    N counts sentences, df those that hold the form; at least 1 for a form in every sentence, most
    for an unseen one.
    """

    def __init__(self, sentences: int, frequencies: Counter[Form]) -> None:
        self.sentences = sentences
        self.frequencies = frequencies

    @classmethod
    def count(cls, pairs: TokenisedPairs, side: Literal["source", "pivot"]) -> Idf:
        """Count one side of a corpus; memory grows with its vocabulary, not with its length."""
        frequencies: Counter[Form] = Counter()
        for start in range(0, len(pairs), BLOCK):
            indices = np.arange(start, min(start + BLOCK, len(pairs)))
            source, pivot, _ = pairs.rows(indices)
            for row in source if side == "source" else pivot:
                frequencies.update({form for _, form in _words(row)})
        return cls(len(pairs), frequencies)

    def weight(self, form: Form) -> float:
        """The weight of a word form."""
        return math.log((1 + self.sentences) / (1 + self.frequencies[form])) + 1

    def weights(self, rows: Sequence[TokenRow]) -> np.ndarray:
        """Weights ``[B, W]`` (float32) by word number, 0 where a row has no such word."""
        width = max((max(row.word_index, default=-1) for row in rows), default=-1) + 1
        found = np.zeros((len(rows), max(width, 1)), dtype=np.float32)
        for number, row in enumerate(rows):
            for word, form in _words(row):
                found[number, word] = self.weight(form)
        return found


def _words(row: TokenRow) -> Iterator[tuple[int, Form]]:
    """Each word's number and sub-words; those of a word follow one another."""
    cells = zip(row.word_index, row.ids, strict=True)
    for word, group in groupby(cells, key=lambda cell: cell[0]):
        if word >= 0:
            yield word, tuple(token for _, token in group)
