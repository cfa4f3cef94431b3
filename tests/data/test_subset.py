from __future__ import annotations

from typing import Any

import numpy as np

from otx.data.bitext import read_bitext
from otx.data.subset import Subset, each_pair, pick


def test_a_subset_refers_to_the_whole(corpus: Any) -> None:
    whole = corpus(
        [(f"s{i}", f"p{i}") for i in range(10)], links=[frozenset({(i, i)}) for i in range(10)]
    )
    part = Subset(Subset(whole, np.array([1, 3, 5, 7])), np.array([2, 0]))
    assert part.corpus is whole
    assert [pair.source for pair in each_pair(part)] == ["s5", "s1"]
    assert part[0].line == 6
    assert part.links() == [frozenset({(5, 5)}), frozenset({(1, 1)})]
    assert (part.source_language, part.pivot_language, part.pretokenised) == ("de", "en", False)


def test_a_subset_s_fingerprint_is_of_whole_and_choice(corpus: Any) -> None:
    whole = corpus([("a", "1"), ("b", "2"), ("c", "3")])
    first, same = Subset(whole, np.array([0, 1])), Subset(whole, np.array([0, 1]))
    assert first.fingerprint() == same.fingerprint()
    other = (
        Subset(whole, np.array([1, 0])),
        Subset(corpus([("a", "1"), ("b", "x")]), np.array([0, 1])),
    )
    assert len({first.fingerprint(), *(part.fingerprint() for part in other)}) == 3


def test_passing_over_a_corpus_is_indexing_it(files: Any, corpus: Any) -> None:
    texts = [f"x{i}" for i in range(2_345)]
    lines = "\n".join(texts).encode()
    stored = read_bitext(*files(lines, lines), languages=("de", "en"))
    part = Subset(stored, np.arange(0, 2_345, 2))
    listed = corpus(list(zip(texts, texts, strict=True)))
    for one in (stored, part, listed):
        assert list(each_pair(one)) == [one[i] for i in range(len(one))]
    assert pick(part, np.array([3, 1])) == [part[3], part[1]]
