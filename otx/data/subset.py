"""Parts of a corpus by index, without copying text, and passing over a corpus in blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from otx.data.arrow import BLOCK
from otx.data.bitext import Bitext
from otx.files.digests import short_key
from otx.interfaces import Corpus
from otx.types import Links, Pair, Problem


class Subset(Corpus):
    """The pairs ``indices [K]`` of a corpus, as a types.Corpus.

    A subset of a subset refers to the whole.
    """

    corpus: Corpus
    indices: np.ndarray

    def __init__(self, corpus: Corpus, indices: np.ndarray) -> None:
        if isinstance(corpus, Subset):
            indices = corpus.indices[indices]
            corpus = corpus.corpus
        self.corpus = corpus
        self.indices = np.asarray(indices, dtype=np.int64)
        self.name = corpus.name
        self.source_language = corpus.source_language
        self.pivot_language = corpus.pivot_language
        self.pretokenised = corpus.pretokenised

    def __len__(self) -> int:
        """How many pairs."""
        return len(self.indices)

    def __getitem__(self, index: int) -> Pair:
        """Pair number ``index`` of the part."""
        return self.corpus[int(self.indices[index])]

    def fingerprint(self) -> str:
        """A hash of the whole's fingerprint and of the indices."""
        digest = hashlib.blake2b(self.indices.tobytes(), digest_size=16).hexdigest()
        return short_key(self.corpus.fingerprint(), digest)

    def problems(self) -> Sequence[Problem]:
        """The whole's refused lines."""
        return self.corpus.problems()

    def links(self) -> Sequence[Links] | None:
        """The given links of the part's pairs, or None."""
        links = self.corpus.links()
        return None if links is None else [links[int(index)] for index in self.indices]


def pick(corpus: Corpus, indices: np.ndarray) -> list[Pair]:
    """The pairs ``indices [K]`` of any corpus, all at once where it can."""
    if isinstance(corpus, Subset):
        return pick(corpus.corpus, corpus.indices[indices])
    if isinstance(corpus, Bitext):
        return corpus.pick(indices)
    return [corpus[int(index)] for index in indices]


def blocks(corpus: Corpus, size: int = BLOCK) -> Iterator[list[Pair]]:
    """All pairs in order, ``size`` at a time."""
    for start in range(0, len(corpus), size):
        yield pick(corpus, np.arange(start, min(start + size, len(corpus))))


def each_pair(corpus: Corpus) -> Iterator[Pair]:
    """All pairs in order, without holding more than a block."""
    for block in blocks(corpus):
        yield from block
