from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from otx.data import components, derived, holdout, partitions
from otx.data.bitext import read_bitext
from otx.data.filters import FilterSettings, filter_corpus
from otx.data.holdout import LARGEST_SHARE, PAIRS_FOR_ONE, split
from otx.data.normalise import sentence_hash
from otx.data.subset import each_pair


def form(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum()) or text


def sentences(corpora: Any) -> set[tuple[str, str]]:
    return {
        (language, form(text))
        for corpus in corpora
        for pair in each_pair(corpus)
        for language, text in (
            (corpus.source_language, pair.source),
            (corpus.pivot_language, pair.pivot),
        )
    }


def check(corpora: Any, parts: Any, heldout: int) -> None:
    train, select, report = zip(*parts, strict=True)
    assert not sentences(train) & sentences([*select, *report])
    assert not sentences(select) & sentences(report)
    for whole, *own in zip(corpora, train, select, report, strict=True):
        lines = [pair.line for part in own for pair in each_pair(part)]
        assert len(lines) == len(set(lines))
        held = [form(p.pivot) for part in own[1:] for p in each_pair(part)]
        assert len(held) == len(set(held)) <= min(heldout, LARGEST_SHARE * len(whole))
        assert len(whole) - len(own[0]) <= LARGEST_SHARE * len(whole)


SENTENCE = st.integers(0, 40).map(lambda n: f"s{n}")


@given(
    st.lists(st.lists(st.tuples(SENTENCE, SENTENCE), max_size=60), min_size=1, max_size=3),
    st.integers(0, 12),
    st.integers(0, 3),
)
def test_no_held_out_sentence_is_trained_on_in_any_language(
    corpus: Any, texts: Any, heldout: Any, seed: int
) -> None:
    languages = [("de", "en"), ("es", "en"), ("de", "en")]
    corpora = [corpus(pairs, own) for pairs, own in zip(texts, languages, strict=False)]
    check(corpora, split(corpora, heldout, seed), heldout)


def parallel(corpus: Any, count: int, languages: str) -> Any:
    return [
        corpus([(f"{language}{i}", f"English {i}") for i in range(count)], (language, "en"))
        for language in languages.split()
    ]


def test_parallel_corpora_hold_out_the_same_pivot_sentences_in_halves(corpus: Any) -> None:
    corpora = parallel(corpus, 500, "de es fr")
    parts = split(corpora, 60, seed=1)
    for train, select, report in parts:
        assert (len(train), len(select), len(report)) == (440, 30, 30)
    pivots = [{p.pivot for p in each_pair(part.select)} for part in parts]
    assert pivots[0] == pivots[1] == pivots[2]


def test_the_seed_alone_decides(corpus: Any) -> None:
    corpora = parallel(corpus, 300, "de es")

    def held(seed: int) -> list[str]:
        return [part.report.fingerprint() for part in split(corpora, 40, seed)]

    assert held(1) == held(1) != held(2)


def test_a_translation_in_common_holds_pairs_together(corpus: Any) -> None:
    pairs = [(f"d{i // 2}", f"E{i}") for i in range(400)]  # every German sentence twice
    (part,) = split([corpus(pairs)], 20, seed=3)
    assert len(part.select) + len(part.report) == 20
    assert len(part.train) == 360  # the twins are left out


def test_small_corpora_keep_most_of_their_pairs_and_large_components_stay(corpus: Any) -> None:
    small = corpus([(f"d{i}", f"e{i}") for i in range(10)])
    (part,) = split([small], 200, seed=0)
    assert (len(part.train), len(part.select), len(part.report)) == (8, 1, 1)
    star = corpus(
        [(f"d{i}", "Yes.") for i in range(100)] + [(f"x{i}", f"e{i}") for i in range(100)]
    )
    (part,) = split([star], 20, seed=0)
    assert len(part.train) == 180
    assert sum(p.pivot == "Yes." for p in each_pair(part.train)) == 100


def test_nothing_held_out(corpus: Any) -> None:
    whole = corpus([("a", "b"), ("c", "d")])
    (part,) = split([whole], 0, seed=0)
    assert part.train is whole
    assert len(part.select) == len(part.report) == 0


def test_real_bitext(shared_data: Path) -> None:
    folder = shared_data / "bitext" / "tatoeba"
    corpora = [
        read_bitext(
            folder / f"en-{code}.{code}.gz", folder / f"en-{code}.en.gz", languages=(code, "en")
        )
        for code in ("ur", "hi", "th")
    ]
    parts = split(corpora, 100, seed=5)
    check(corpora, parts, 100)
    held = [len(select) + len(report) for _, select, report in parts]
    assert held[1:] == [100, 100]
    assert 40 <= held[0] <= 75


def split_in_memory(corpora: Any, heldout: int, seed: int) -> list[list[list[int]]]:
    """Return the lines of each part of each corpus, as otx 0.2 held them out: with everything in memory at once."""
    names = [
        [sentence_hash(text, language) for text, language in both]
        for corpus in corpora
        for pair in each_pair(corpus)
        for both in [((pair.source, corpus.source_language), (pair.pivot, corpus.pivot_language))]
    ]
    different, nodes = np.unique(np.array(names, dtype=np.uint64), return_inverse=True)
    source, pivot = nodes.reshape(-1, 2).T
    edges = coo_array((np.ones(len(source)), (source, pivot)), shape=(len(different),) * 2)
    _, labels = connected_components(edges, directed=False)
    _, component = np.unique(labels[source], return_inverse=True)
    sizes = np.array([len(corpus) for corpus in corpora])
    owner = np.repeat(np.arange(len(corpora)), sizes)
    limit = (sizes * LARGEST_SHARE).astype(int)
    quota = np.minimum(heldout, limit)
    budget = np.minimum(PAIRS_FOR_ONE * quota, limit)
    fate = np.zeros(len(component), dtype=int)
    held = np.zeros((len(corpora), 2), dtype=int)
    for number in np.random.default_rng(seed).permutation(int(component.max(initial=-1)) + 1):
        members = np.flatnonzero(component == number)
        takes = np.bincount(owner[members], minlength=len(corpora))
        touched = takes > 0
        if (held.sum(1) + touched > quota).any() or (takes > budget).any():
            continue
        _, first = np.unique(owner[members], return_index=True)
        part = int(held[touched, 0].sum() > held[touched, 1].sum())
        fate[members], fate[members[first]] = 3, 1 + part
        held[touched, part] += 1
        budget -= takes
    lines = np.concatenate([[pair.line for pair in each_pair(corpus)] for corpus in corpora])
    return [
        [lines[(owner == number) & (fate == part)].tolist() for part in range(3)]
        for number in range(len(corpora))
    ]


@pytest.mark.parametrize("block", [3, 50, 2**18])
@pytest.mark.parametrize("few", [0, 10_000])
def test_parts_are_those_that_are_found_in_memory(
    corpus: Any, monkeypatch: pytest.MonkeyPatch, block: int, few: int
) -> None:
    """In blocks of any size, cached or not, filtered before or not."""
    for module in (components, holdout):
        monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(partitions, "PART", block)
    monkeypatch.setattr(holdout, "DRAWN", block)
    monkeypatch.setattr(derived, "FEW", few)
    random = np.random.default_rng(block)
    corpora = [
        corpus(
            [(f"{language}{a}", f"en{b}") for a, b in random.integers(0, 250, (size, 2))],
            (language, "en"),
        )
        for language, size in (("de", 150), ("es", 60), ("de", 30))
    ]
    corpora[0] = filter_corpus(corpora[0], FilterSettings())[0]
    for heldout in (0, 5, 40):
        for _ in range(2):
            parts = split(corpora, heldout, seed=2)
            lines = [[[pair.line for pair in each_pair(one)] for one in part] for part in parts]
            assert lines == split_in_memory(corpora, heldout, seed=2)
