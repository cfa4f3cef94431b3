"""Count inverse document frequencies of words on one side of a tokenised corpus."""

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
"""A word as the encoder reads it: its sub-words, in every script."""


class Idf:
    """Smooth inverse document frequencies, ``log((1 + N) / (1 + df)) + 1``.

    N is the number of sentences, and df the number of sentences with the word form. The weight is 1 for a form in every
    sentence and largest for an unseen form.

    Args:
        sentences: Number of sentences.
        frequencies: Number of sentences with each word form.

    Example:
        >>> idf = Idf(3, Counter({(7,): 3}))
        >>> idf.weight((7,)), round(idf.weight((8,)), 3)
        (1.0, 2.386)

    References:
        scikit-learn, ``TfidfTransformer(smooth_idf=True)``.
        https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting
    """

    def __init__(self, sentences: int, frequencies: Counter[Form]) -> None:
        self.sentences = sentences
        self.frequencies = frequencies

    @classmethod
    def count(cls, pairs: TokenisedPairs, side: Literal["source", "pivot"]) -> Idf:
        """Count one side of a corpus.

        Memory grows with its vocabulary, not with its length.

        Args:
            pairs: The tokenised corpus.
            side: The side.

        Returns:
            The frequencies.
        """
        frequencies: Counter[Form] = Counter()
        for start in range(0, len(pairs), BLOCK):
            indices = np.arange(start, min(start + BLOCK, len(pairs)))
            source, pivot, _ = pairs.rows(indices)
            for row in source if side == "source" else pivot:
                frequencies.update({form for _, form in _words(row)})
        return cls(len(pairs), frequencies)

    def weight(self, form: Form) -> float:
        """Return the weight of a word form.

        Args:
            form: Its sub-words.
        """
        return math.log((1 + self.sentences) / (1 + self.frequencies[form])) + 1

    def weights(self, rows: Sequence[TokenRow]) -> np.ndarray:
        """Return the weights of the words of each row.

        Args:
            rows: B rows of sub-words.

        Returns:
            Weights ``[B, W]`` (float32) by word number; 0 if a row has no such word.
        """
        width = max((max(row.word_index, default=-1) for row in rows), default=-1) + 1
        weights = np.zeros((len(rows), max(width, 1)), dtype=np.float32)
        for number, row in enumerate(rows):
            for word, form in _words(row):
                weights[number, word] = self.weight(form)
        return weights


def _words(row: TokenRow) -> Iterator[tuple[int, Form]]:
    """Yield each word's number and sub-words; the sub-words of a word are adjacent."""
    cells = zip(row.word_index, row.ids, strict=True)
    for word, group in groupby(cells, key=lambda cell: cell[0]):
        if word >= 0:
            yield word, tuple(token for _, token in group)
