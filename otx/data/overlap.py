"""Count contamination: test sentences that occur, in normal form, in the bitext."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from otx.data.normalise import sentence_hash
from otx.data.subset import each_pair
from otx.interfaces import Corpus


def sentence_hashes(corpora: Sequence[Corpus]) -> np.ndarray:
    """Return the different sentences of all corpora as hashes.

    Args:
        corpora: The corpora.

    Returns:
        Sorted 64-bit hashes ``[S]`` (uint64).
    """
    total = 2 * sum(len(corpus) for corpus in corpora)
    sentences = (
        sentence_hash(text)
        for corpus in corpora
        for pair in each_pair(corpus)
        for text in (pair.source, pair.pivot)
    )
    return np.unique(np.fromiter(sentences, dtype=np.uint64, count=total))


def count_hits(texts: Iterable[str], hashes: np.ndarray) -> int:
    """Count the texts that are among some sentences.

    Args:
        texts: The texts.
        hashes: The sentences, from ``sentence_hashes``.

    Example:
        >>> count_hits(["A dog.", "a dog", "A cat."], np.array([sentence_hash("A dog!")]))
        2
    """
    digests = np.array([sentence_hash(text) for text in texts], dtype=np.uint64)
    return int(np.isin(digests, hashes).sum())
