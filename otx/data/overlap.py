"""Count contamination: test sentences that occur, in normal form, in the bitext."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from otx.data.derived import derive
from otx.data.normalise import sentence_hash
from otx.data.pair_hashes import BLOCK, hash_pairs, hash_version
from otx.data.partitions import Partitions
from otx.data.subset import Subset, whole
from otx.files.arrays import ArrayWriter, release
from otx.files.digests import short_key
from otx.interfaces import Corpus


def sentence_hashes(corpora: Sequence[Corpus]) -> np.ndarray:
    """Return the different sentences of all corpora as hashes.

    Memory does not grow with the corpora: the hashes of large ones are cached and mapped.

    Args:
        corpora: The corpora.

    Returns:
        Sorted 64-bit hashes ``[S]`` (uint64).
    """
    pairs = sum(len(corpus) for corpus in corpora)

    def build(folder: Path) -> Mapping[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            partitions = Partitions(Path(work), np.uint64, 2 * pairs)
            for corpus in corpora:
                plain = hash_pairs(whole(corpus)).plain
                for start in range(0, len(corpus), BLOCK):
                    rows = np.arange(start, min(start + BLOCK, len(corpus)))
                    rows = corpus.indices[rows] if isinstance(corpus, Subset) else rows
                    partitions.add(plain[rows].reshape(-1))
                    release(plain)
            with ArrayWriter(folder / "sentences.npy", np.uint64) as sentences:
                for part in partitions.read():
                    sentences.add(np.unique(part))
        return {}

    key = short_key(hash_version(), [corpus.fingerprint() for corpus in corpora])
    return derive("sentences", key, pairs, build).arrays["sentences"]


def count_hits(texts: Iterable[str], hashes: np.ndarray) -> int:
    """Count the texts that are among some sentences.

    Args:
        texts: The texts.
        hashes: The sentences, from ``sentence_hashes``, sorted; may be mapped.

    Example:
        >>> count_hits(["A dog.", "a dog", "A cat."], np.array([sentence_hash("A dog!")]))
        2
    """
    digests = np.array([sentence_hash(text) for text in texts], dtype=np.uint64)
    if len(hashes) == 0:
        return 0
    # A search reads some twenty hashes per text, and not all of them.
    places = np.minimum(np.searchsorted(hashes, digests), len(hashes) - 1)
    return int((hashes[places] == digests).sum())
