"""Hold out pairs without leaks: no training pair, in any language, has a held-out sentence or its translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from otx.data.normalise import sentence_hash
from otx.data.subset import Subset, each_pair
from otx.interfaces import Corpus

LARGEST_SHARE = 0.2
"""Largest share of a corpus that is removed from training."""
PAIRS_FOR_ONE = 4
"""Pairs that may be removed from training per held-out pair, on average."""

_TRAIN, _SELECT, _REPORT, _LEFT_OUT = range(4)


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

    Memory: about 100 bytes per pair.

    Args:
        corpora: All corpora of a run.
        heldout: Maximum number of held-out pairs of each corpus.
        seed: Seed of the order.

    Returns:
        The parts of each corpus.
    """
    component, owner, place = _components(corpora)
    fate = _draw(component, owner, [len(corpus) for corpus in corpora], heldout, seed)
    parts = []
    for number, corpus in enumerate(corpora):
        members = owner == number
        train, select, report = (place[members & (fate == k)] for k in (_TRAIN, _SELECT, _REPORT))
        rest = corpus if len(train) == len(corpus) else Subset(corpus, train)
        parts.append(Split(rest, Subset(corpus, select), Subset(corpus, report)))
    return parts


def _draw(
    component: np.ndarray, owner: np.ndarray, sizes: Sequence[int], heldout: int, seed: int
) -> np.ndarray:
    """Return the part of every pair ``[P]``."""
    corpora = len(sizes)
    order = np.argsort(component, kind="stable")
    total = int(component.max(initial=-1)) + 1
    starts = np.searchsorted(component[order], np.arange(total + 1))
    takes = np.bincount(component * corpora + owner, minlength=total * corpora)
    takes = takes.reshape(total, corpora)
    limit = (np.array(sizes) * LARGEST_SHARE).astype(int)
    quota = np.minimum(heldout, limit)
    budget = np.minimum(PAIRS_FOR_ONE * quota, limit)

    fate = np.full(len(component), _TRAIN)
    held = np.zeros((corpora, 2), dtype=int)
    for number in np.random.default_rng(seed).permutation(total):
        touched = takes[number] > 0
        if (held.sum(1) + touched > quota).any() or (takes[number] > budget).any():
            continue
        members = order[starts[number] : starts[number + 1]]
        _, first = np.unique(owner[members], return_index=True)
        part = int(held[touched, 0].sum() > held[touched, 1].sum())
        fate[members] = _LEFT_OUT
        fate[members[first]] = (_SELECT, _REPORT)[part]
        held[touched, part] += 1
        budget -= takes[number]
        if (held.sum(1) == quota).all():
            break
    return fate


def _components(corpora: Sequence[Corpus]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every pair's connected component, corpus and place in its corpus, each ``[P]``."""
    total = sum(len(corpus) for corpus in corpora)
    sentences = np.empty((2, total), dtype=np.uint64)
    at = 0
    for corpus in corpora:
        for pair in each_pair(corpus):
            sentences[0, at] = sentence_hash(pair.source, corpus.source_language)
            sentences[1, at] = sentence_hash(pair.pivot, corpus.pivot_language)
            at += 1
    names, nodes = np.unique(sentences, return_inverse=True)
    source, pivot = nodes.reshape(2, total)
    edges = coo_array((np.ones(total, dtype=bool), (source, pivot)), shape=(len(names),) * 2)
    _, labels = connected_components(edges, directed=False)
    owner = np.repeat(np.arange(len(corpora)), [len(corpus) for corpus in corpora])
    place = np.concatenate([np.arange(len(corpus)) for corpus in corpora] or [np.arange(0)])
    _, component = np.unique(labels[source], return_inverse=True)
    return component, owner, place
