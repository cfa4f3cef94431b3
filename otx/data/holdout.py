"""Hold out pairs without leaks: no training pair, in any language, has a held-out sentence or its translation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from otx.data.components import BLOCK, connect, number_nodes
from otx.data.derived import derive
from otx.data.pair_hashes import hash_pairs, hash_version
from otx.data.permutation import Permutation
from otx.data.subset import Subset, index_digest, whole
from otx.files.arrays import ArrayWriter, create_array, open_array, release, scan
from otx.files.digests import short_key
from otx.interfaces import Corpus

VERSION = 1
"""Raised whenever other pairs of the same corpora would be held out."""
LARGEST_SHARE = 0.2
"""Largest share of a corpus that is removed from training."""
PAIRS_FOR_ONE = 4
"""Pairs that may be removed from training per held-out pair, on average."""

DRAWN = 1_024
"""Minimum number of components that are drawn at a time; each draw takes two passes over the pairs."""


class Split(NamedTuple):
    """The parts of one corpus.

    Attributes:
        train: Pairs to train on.
        select: Held-out pairs that select a checkpoint.
        report: Held-out pairs that are reported.
    """

    train: Corpus
    select: Corpus
    report: Corpus


def split(corpora: Sequence[Corpus], heldout: int, seed: int) -> list[Split]:
    """Hold out pairs of each corpus: half select a checkpoint, half are reported.

    The sentences (language and normal form) of all corpora are the nodes of a graph, their pairs its edges. Only whole
    connected components are held out, so that neither a held-out sentence nor any translation of it stays in training.
    Of a held-out component, the first pair of each corpus is kept and the others are left out, so that each held-out
    sentence has one translation. Components are visited in an order drawn from ``seed``. A component that would remove
    too many pairs from a corpus (``LARGEST_SHARE``, ``PAIRS_FOR_ONE``) is skipped.

    The parts are cached. Memory does not grow with the corpora: what there is one of for every pair is in files, some
    50 bytes per pair while they are computed and 8 afterwards.

    Args:
        corpora: All corpora of a run.
        heldout: Maximum number of held-out pairs of each corpus.
        seed: Seed of the order.

    Returns:
        The parts of each corpus.
    """

    def build(folder: Path) -> Mapping[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            held = _hold_out(corpora, heldout, seed, Path(work))
        digests = []
        for number, (corpus, (select, report, left_out)) in enumerate(
            zip(corpora, held, strict=True)
        ):
            np.save(folder / f"select-{number}.npy", select)
            np.save(folder / f"report-{number}.npy", report)
            removed = np.sort(np.concatenate([select, report, left_out]))
            train = folder / f"train-{number}.npy"
            digests.append(_write_rest(corpus, removed, train) if len(removed) else None)
        return {"digests": digests}

    languages = [(corpus.source_language, corpus.pivot_language) for corpus in corpora]
    names = [corpus.fingerprint() for corpus in corpora]
    key = short_key(VERSION, hash_version(), names, languages, heldout, seed)
    derived = derive("split", key, sum(len(corpus) for corpus in corpora), build)
    arrays = derived.arrays
    parts = []
    for number, (corpus, digest) in enumerate(zip(corpora, derived.record["digests"], strict=True)):
        select, report = arrays[f"select-{number}"], arrays[f"report-{number}"]
        train = corpus
        if digest is not None:
            train = Subset(whole(corpus), arrays[f"train-{number}"], digest=digest)
        parts.append(Split(train, Subset(corpus, select), Subset(corpus, report)))
    return parts


def _write_rest(corpus: Corpus, removed: np.ndarray, path: Path) -> str:
    """Write the numbers, in the whole corpus, of the pairs that are not removed, and return their digest."""
    with ArrayWriter(path, np.int64) as train:
        for start in range(0, len(corpus), BLOCK):
            end = min(start + BLOCK, len(corpus))
            stays = np.ones(end - start, dtype=bool)
            stays[removed[slice(*np.searchsorted(removed, [start, end]))] - start] = False
            rows = start + np.flatnonzero(stays)
            train.add(corpus.indices[rows] if isinstance(corpus, Subset) else rows)
    written = open_array(path)
    digest = index_digest(written)
    release(written)
    return digest


def _hold_out(
    corpora: Sequence[Corpus], heldout: int, seed: int, work: Path
) -> list[tuple[np.ndarray, ...]]:
    """Return, for each corpus, the pairs that select, the pairs that report and those that are left out, ascending."""
    sizes = np.array([len(corpus) for corpus in corpora], dtype=np.int64)
    ends = np.cumsum(sizes)
    root, roots = _components(corpora, work)
    limit = (sizes * LARGEST_SHARE).astype(int)
    quota = np.minimum(heldout, limit)
    budget = np.minimum(PAIRS_FOR_ONE * quota, limit)
    parts: list[list[np.ndarray]] = [[], [], []]
    held = np.zeros((len(corpora), 2), dtype=int)
    order, start, count = Permutation(len(roots), seed), 0, max(DRAWN, 2 * int(quota.sum()))
    full = not quota.any()
    while start < len(roots) and not full:
        drawn = roots[order.take(np.arange(start, min(start + count, len(roots))))]
        for takes, members in _members(root, drawn, ends, budget):
            touched = takes > 0
            if (held.sum(1) + touched > quota).any() or (takes > budget).any():
                continue
            _, first = np.unique(np.searchsorted(ends, members, side="right"), return_index=True)
            part = int(held[touched, 0].sum() > held[touched, 1].sum())
            parts[part].append(members[first])
            parts[2].append(np.delete(members, first))
            held[touched, part] += 1
            budget -= takes
            if full := bool((held.sum(1) == quota).all()):
                break
        start, count = start + count, min(2 * count, BLOCK)
    together = [np.sort(np.concatenate([np.empty(0, np.int64), *part])) for part in parts]
    return [
        tuple(part[(part >= end - size) & (part < end)] - (end - size) for part in together)
        for size, end in zip(sizes, ends, strict=True)
    ]


def _members(
    root: np.ndarray, drawn: np.ndarray, ends: np.ndarray, budget: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each component drawn, its number of pairs in each corpus and, if these fit the budget, its pairs."""
    order = np.argsort(drawn)
    ascending = drawn[order]
    takes = np.zeros((len(drawn), len(ends)), dtype=np.int64)
    for place, owner, _ in _found(root, ascending, ends):
        np.add.at(takes, (place, owner), 1)
    affordable: np.ndarray = np.all(takes <= budget, axis=1)
    chosen = [
        (place[affordable[place]], pairs[affordable[place]])
        for place, _, pairs in _found(root, ascending, ends)
    ]
    places, pairs = (np.concatenate(column) for column in zip(*chosen, strict=True))
    pairs = pairs[np.argsort(places, kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(drawn)))])
    for place in np.argsort(order):
        yield takes[place], pairs[starts[place] : starts[place + 1]]


def _found(
    root: np.ndarray, ascending: np.ndarray, ends: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the pairs of some components: the component's place in ``ascending``, the pair's corpus, and the pair."""
    for start, block in scan(root, BLOCK):
        place = np.minimum(np.searchsorted(ascending, block), len(ascending) - 1)
        inside = np.flatnonzero(ascending[place] == block)
        pairs = start + inside
        yield place[inside], np.searchsorted(ends, pairs, side="right"), pairs


def _components(corpora: Sequence[Corpus], work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest sentence of every pair's connected component ``[P]``, and all of these ``[C]``, ascending."""
    total = sum(len(corpus) for corpus in corpora)
    kind = np.int32 if 2 * total < 2**31 else np.int64
    with ArrayWriter(work / "sentences.npy", np.uint64, width=2) as sentences:
        for corpus in corpora:
            hashes = hash_pairs(whole(corpus)).named
            for start in range(0, len(corpus), BLOCK):
                rows = np.arange(start, min(start + BLOCK, len(corpus)))
                sentences.add(hashes[corpus.indices[rows] if isinstance(corpus, Subset) else rows])
                release(hashes)
    edges = create_array(work / "edges.npy", kind, (total, 2))
    nodes = number_nodes(open_array(work / "sentences.npy"), edges, work)
    parent = create_array(work / "parent.npy", kind, (nodes,))
    connect(edges, parent)
    with ArrayWriter(work / "root.npy", kind) as root:
        for _, block in scan(edges, BLOCK):
            root.add(parent[block[:, 0]])
            release(parent)
    with ArrayWriter(work / "roots.npy", kind) as roots:
        for start, block in scan(parent, BLOCK):
            own = start + np.arange(len(block))
            roots.add(own[block == own])
    return open_array(work / "root.npy"), open_array(work / "roots.npy")
