"""Take parts of a corpus by index without copying text, and read a corpus in blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from otx.data.arrow import BLOCK
from otx.data.bitext import Bitext
from otx.files.arrays import release
from otx.files.digests import short_key
from otx.interfaces import Corpus
from otx.types import Links, Pair, Problem


class Subset(Corpus):
    """Some pairs of a corpus, as a corpus.

    Args:
        corpus: The whole corpus, or a subset of it.
        indices: Numbers of the pairs ``[K]`` in ``corpus``; may be mapped.
        digest: The ``index_digest`` of their numbers in the whole corpus, if it is known.

    Attributes:
        corpus: The whole corpus, also for a subset of a subset.
        indices: Numbers of the pairs ``[K]`` in the whole corpus.
    """

    corpus: Corpus
    indices: np.ndarray

    def __init__(self, corpus: Corpus, indices: np.ndarray, *, digest: str | None = None) -> None:
        if isinstance(corpus, Subset):
            indices = corpus.indices[indices]
            release(corpus.indices)
            corpus = corpus.corpus
        self.corpus = corpus
        self.indices = np.asarray(indices, dtype=np.int64)
        self._digest = digest
        self.name = corpus.name
        self.source_language = corpus.source_language
        self.pivot_language = corpus.pivot_language
        self.pretokenised = corpus.pretokenised

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.indices)

    def __getitem__(self, index: int) -> Pair:
        """Return a pair by its number in the subset, from 0."""
        return self.corpus[int(self.indices[index])]

    def fingerprint(self) -> str:
        """Return a hash of the whole corpus's fingerprint and of the indices."""
        if self._digest is None:
            self._digest = index_digest(self.indices)
        return short_key(self.corpus.fingerprint(), self._digest)

    def problems(self) -> Sequence[Problem]:
        """Return the refused and repaired lines of the whole corpus."""
        return self.corpus.problems()

    def links(self) -> Sequence[Links] | None:
        """Return the links of the subset's pairs, or None."""
        links = self.corpus.links()
        return None if links is None else [links[int(index)] for index in self.indices]


def index_digest(indices: np.ndarray) -> str:
    """Return a hash of the numbers of pairs.

    Args:
        indices: The numbers ``[K]`` (int64).
    """
    digest = hashlib.blake2b(np.ascontiguousarray(indices).data, digest_size=16).hexdigest()
    release(indices)
    return digest


def whole(corpus: Corpus) -> Corpus:
    """Return the corpus that a subset is part of; any other corpus is its own.

    Args:
        corpus: Any corpus.
    """
    return corpus.corpus if isinstance(corpus, Subset) else corpus


def pick(corpus: Corpus, indices: np.ndarray) -> list[Pair]:
    """Return some pairs of a corpus, all at once if the corpus can.

    Args:
        corpus: Any corpus.
        indices: Numbers of the pairs ``[K]``.

    Returns:
        The pairs in the order of ``indices``.
    """
    if isinstance(corpus, Subset):
        picked = corpus.indices[indices]
        release(corpus.indices)
        return pick(corpus.corpus, picked)
    if isinstance(corpus, Bitext):
        return corpus.pick(indices)
    return [corpus[int(index)] for index in indices]


def blocks(corpus: Corpus, size: int = BLOCK) -> Iterator[list[Pair]]:
    """Yield all pairs in order, in blocks.

    Args:
        corpus: Any corpus.
        size: Pairs per block.
    """
    for start in range(0, len(corpus), size):
        yield pick(corpus, np.arange(start, min(start + size, len(corpus))))


def each_pair(corpus: Corpus) -> Iterator[Pair]:
    """Yield all pairs in order, with no more than a block of them in memory.

    Args:
        corpus: Any corpus.
    """
    for block in blocks(corpus):
        yield from block


def each_problem(corpus: Corpus) -> Iterator[Problem]:
    """Yield every refused or repaired line of a corpus, without a list of them if the corpus can.

    Args:
        corpus: Any corpus; a subset has the problems of the whole.
    """
    corpus = whole(corpus)
    yield from corpus.each_problem() if isinstance(corpus, Bitext) else corpus.problems()
