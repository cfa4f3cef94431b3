"""Filters that leave pairs out of a corpus, each counted."""

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
    """Which pairs are left out.

    drop_duplicates: those whose normal form (case, punctuation and spaces aside) was seen before in
        the corpus.
    length_ratio: those of which one side has more than this many times the characters of the other,
        white space not counted (English has some three to four times as many as its Chinese
        translation); None lets all through.
    drop_identical: those whose sides have one normal form.
    """

    drop_duplicates: bool = True
    length_ratio: float | None = None
    drop_identical: bool = True

    def __post_init__(self) -> None:
        if self.length_ratio is not None and not self.length_ratio >= 1:
            raise UsageError(
                f"length ratio {self.length_ratio:g} would drop every pair", "give 1 or more"
            )


def filter_corpus(corpus: Corpus, wanted: FilterSettings) -> tuple[Corpus, dict[str, int]]:
    """The corpus without those pairs, and how many went for each reason.

    A pair is counted once, under the first that holds of identical, length-ratio, duplicate.
    """
    counts = {"identical": 0, "length-ratio": 0, "duplicate": 0}
    kept = array("q")
    digests = bytearray()
    for index, pair in enumerate(each_pair(corpus)):
        source, pivot = normal_form(pair.source), normal_form(pair.pivot)
        if wanted.drop_identical and source == pivot:
            counts["identical"] += 1
        elif wanted.length_ratio is not None and _ratio(pair) > wanted.length_ratio:
            counts["length-ratio"] += 1
        else:
            kept.append(index)
            if wanted.drop_duplicates:
                text = f"{source}\n{pivot}".encode()
                digests += hashlib.blake2b(text, digest_size=16).digest()
    indices = np.array(kept, dtype=np.int64)
    if wanted.drop_duplicates:
        _, first = np.unique(np.frombuffer(bytes(digests), dtype="S16"), return_index=True)
        counts["duplicate"] = len(indices) - len(first)
        indices = indices[np.sort(first)]
    return (corpus if len(indices) == len(corpus) else Subset(corpus, indices)), counts


def _ratio(pair: Pair) -> float:
    source, pivot = (len("".join(text.split())) for text in (pair.source, pair.pivot))
    return max(source, pivot) / max(min(source, pivot), 1)
