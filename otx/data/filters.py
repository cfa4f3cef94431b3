"""Filter pairs of a corpus, and count what each filter drops."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otx.data.derived import derive
from otx.data.pair_hashes import BLOCK, hash_pairs, hash_version
from otx.data.partitions import Partitions
from otx.data.subset import Subset, pick
from otx.errors import UsageError
from otx.files.arrays import ArrayWriter, create_array, scan
from otx.files.digests import short_key
from otx.interfaces import Corpus
from otx.types import Pair

VERSION = 1
"""Raised whenever the same filters would drop other pairs."""
_KEPT = "kept"
_HASHED = np.dtype(
    [("key", np.uint64), ("source", np.uint64), ("pivot", np.uint64), ("pair", np.int64)]
)


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

    Sentences are the same if the hashes of their normal forms are. Memory does not grow with the corpus.

    Args:
        corpus: The corpus.
        filters: The pairs to drop.

    Returns:
        The remaining corpus, and the number of dropped pairs by reason. A pair is counted once, under the first reason
        that holds of identical, length-ratio and duplicate.
    """
    hashes = hash_pairs(corpus).plain

    def build(folder: Path) -> Mapping[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            dropped = create_array(Path(work) / "dropped.npy", np.bool_, (len(corpus),))
            identical, ratio = _drop_singly(corpus, hashes, filters, dropped)
            repeated = _drop_repeated(hashes, dropped, Path(work)) if filters.drop_duplicates else 0
            with ArrayWriter(folder / f"{_KEPT}.npy", np.int64) as kept:
                for start, marks in scan(dropped, BLOCK):
                    kept.add(start + np.flatnonzero(~marks))
            del dropped
        return {"identical": identical, "length-ratio": ratio, "duplicate": repeated}

    languages = corpus.source_language, corpus.pivot_language
    key = short_key(VERSION, hash_version(), corpus.fingerprint(), languages, astuple(filters))
    derived = derive("filtered", key, len(corpus), build)
    kept = derived.arrays[_KEPT]
    counts = dict(derived.record)
    return (corpus if len(kept) == len(corpus) else Subset(corpus, kept)), counts


def _drop_singly(
    corpus: Corpus, hashes: np.ndarray, filters: FilterSettings, dropped: np.ndarray
) -> tuple[int, int]:
    """Mark pairs of equal sides and of unequal lengths, and return their numbers."""
    identical = unequal = 0
    for start, block in scan(hashes, BLOCK):
        alike = (block[:, 0] == block[:, 1]) & filters.drop_identical
        marks = alike.copy()
        if filters.length_ratio is not None:
            for first in range(0, len(block), 1_000):
                indices = start + np.arange(first, min(first + 1_000, len(block)))
                ratios = np.array([_ratio(pair) for pair in pick(corpus, indices)])
                marks[first : first + 1_000] |= ratios > filters.length_ratio
        identical += int(alike.sum())
        unequal += int((marks & ~alike).sum())
        dropped[start : start + BLOCK] = marks
    return identical, unequal


def _drop_repeated(hashes: np.ndarray, dropped: np.ndarray, work: Path) -> int:
    """Mark every pair but the first of equal ones among those that are not marked, and return their number."""
    partitions = Partitions(work, _HASHED, len(hashes))
    for start, block in scan(hashes, BLOCK):
        kept = np.flatnonzero(~dropped[start : start + BLOCK])
        records = np.empty(len(kept), dtype=_HASHED)
        records["source"], records["pivot"] = block[kept].T
        # Any mixture of the two that differs for exchanged sides.
        records["key"] = records["source"] + records["pivot"] * np.uint64(3)
        records["pair"] = start + kept
        partitions.add(records)
    repeated = 0
    for part in partitions.read():
        order = np.lexsort((part["pair"], part["pivot"], part["source"]))
        pairs = np.stack([part["source"][order], part["pivot"][order]])
        again = order[1:][(pairs[:, 1:] == pairs[:, :-1]).all(axis=0)]
        dropped[part["pair"][again]] = True
        repeated += len(again)
    return repeated


def _ratio(pair: Pair) -> float:
    source, pivot = (len("".join(text.split())) for text in (pair.source, pair.pivot))
    return max(source, pivot) / max(min(source, pivot), 1)
