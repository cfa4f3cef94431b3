"""Filter pairs of a corpus, and count what each filter drops."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass

import numpy as np

from otx.data.normalise import normal_form
from otx.data.subset import Subset, each_pair
from otx.errors import UsageError
from otx.interfaces import Corpus
from otx.types import Pair


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """The pairs to drop.

    Attributes:
        drop_duplicates: Drop pairs whose normal form (ignoring case, punctuation and spaces) occurred before in the
            corpus.
        length_ratio: Drop pairs whose longer side has more than this many times the characters of the shorter side,
            white space not counted. English has three to four times as many as its Chinese translation. None drops
            no pair.
        drop_identical: Drop pairs whose sides have the same normal form.
    """

    drop_duplicates: bool = True
    length_ratio: float | None = None
    drop_identical: bool = True

    def __post_init__(self) -> None:
        if self.length_ratio is not None and not self.length_ratio >= 1:
            raise UsageError(
                f"length ratio {self.length_ratio:g} would drop every pair", "give 1 or more"
            )


def filter_corpus(corpus: Corpus, filters: FilterSettings) -> tuple[Corpus, dict[str, int]]:
    """Drop pairs from a corpus.

    Args:
        corpus: The corpus.
        filters: The pairs to drop.

    Returns:
        The remaining corpus, and the number of dropped pairs by reason. A pair is counted once, under the first reason
        that holds of identical, length-ratio and duplicate.
    """
    counts = {"identical": 0, "length-ratio": 0, "duplicate": 0}
    kept = array("q")
    digests = bytearray()
    for index, pair in enumerate(each_pair(corpus)):
        source, pivot = normal_form(pair.source), normal_form(pair.pivot)
        if filters.drop_identical and source == pivot:
            counts["identical"] += 1
        elif filters.length_ratio is not None and _ratio(pair) > filters.length_ratio:
            counts["length-ratio"] += 1
        else:
            kept.append(index)
            if filters.drop_duplicates:
                text = f"{source}\n{pivot}".encode()
                digests += hashlib.blake2b(text, digest_size=16).digest()
    indices = np.array(kept, dtype=np.int64)
    if filters.drop_duplicates:
        _, first = np.unique(np.frombuffer(bytes(digests), dtype="S16"), return_index=True)
        counts["duplicate"] = len(indices) - len(first)
        indices = indices[np.sort(first)]
    return (corpus if len(indices) == len(corpus) else Subset(corpus, indices)), counts


def _ratio(pair: Pair) -> float:
    source, pivot = (len("".join(text.split())) for text in (pair.source, pair.pivot))
    return max(source, pivot) / max(min(source, pivot), 1)
