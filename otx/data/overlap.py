"""Contamination: evaluated sentences that occur, in normal form, in the bitext."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from otx.data.normalise import sentence_hash
from otx.data.subset import each_pair
from otx.interfaces import Corpus


def sentence_hashes(corpora: Sequence[Corpus]) -> np.ndarray:
    """The different sentences of all corpora as sorted 64-bit hashes, uint64 ``[S]``."""
    total = 2 * sum(len(corpus) for corpus in corpora)
    sentences = (
        sentence_hash(text)
        for corpus in corpora
        for pair in each_pair(corpus)
        for text in (pair.source, pair.pivot)
    )
    return np.unique(np.fromiter(sentences, dtype=np.uint64, count=total))


def count_hits(texts: Iterable[str], hashes: np.ndarray) -> int:
    """How many of the texts are among the sentences of ``hashes``, from ``sentence_hashes``."""
    wanted = np.array([sentence_hash(text) for text in texts], dtype=np.uint64)
    return int(np.isin(wanted, hashes).sum())
