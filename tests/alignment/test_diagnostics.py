"""Diagnostics against closed forms and brute force."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from otx.alignment.diagnostics import Measurement, effective_rank, measure, random_cosine, verdict
from otx.alignment.heldout_retrieval import HeldOut
from otx.types import Pair, TokenRow
from tests.examples import examples


class ByText:
    """An encoder whose sentence vector is looked up; it counts what it is asked."""

    def __init__(self, vectors: dict[str, torch.Tensor]) -> None:
        self.vectors, self.module, self.texts = vectors, torch.nn.Identity(), []
        self.dimension = len(next(iter(vectors.values()), []))

    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        self.texts += texts
        return [TokenRow([len(self.texts) - len(texts) + i], [0], 1, 0) for i in range(len(texts))]

    def collate(self, rows: Sequence[TokenRow]) -> list[TokenRow]:
        return list(rows)

    def encode(self, batch: list[TokenRow], layers: Sequence[int]) -> Any:
        found = torch.stack([self.vectors[self.texts[row.ids[0]]] for row in batch])
        return SimpleNamespace(sentences=lambda layer: found)


class Pairs:
    """A corpus of ``count`` pairs named after ``name``; pivots may be shared with another corpus."""

    def __init__(self, name: str, count: int, language: str = "de", pivots: str = "") -> None:
        self.source_language, self.pretokenised = language, False
        self.pairs = [Pair(f"{name}{i}", f"{pivots or name}-en{i}", i) for i in range(count)]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]


@examples(30)
@given(
    st.integers(1, 12),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(2, 6),
    st.integers(0, 10_000),
)
def test_retrieval_among_distractors_is_the_brute_force_count(
    held: int, more: int, distractors: int, width: int, seed: int
) -> None:
    """Two corpora of one language and one of another, both with distractors of their own."""
    pairs = [Pairs("a", held), Pairs("b", more), Pairs("c", held, "es", "a")]
    extra = [Pairs("x", distractors), Pairs("y", 1), Pairs("z", distractors, "es", "x")]
    generator = torch.Generator().manual_seed(seed)
    vectors: dict[str, torch.Tensor] = {}
    for corpus in (*pairs, *extra):
        for pair in corpus.pairs:
            noise = torch.randn(2, width, generator=generator)
            pivot = vectors.setdefault(pair.pivot, noise[0])
            vectors[pair.source] = pivot + noise[1]

    def nearest(query: str, candidates: list[str]) -> str:
        cosines = [
            float(functional.cosine_similarity(vectors[query], vectors[text], dim=0))
            for text in candidates
        ]
        return candidates[cosines.index(max(cosines))]

    encoder = ByText(vectors)
    (found,) = measure(encoder, [HeldOut(pairs, extra)], -1, "last")  # type: ignore[list-item]
    wrong = 0
    for language, members in (("de", (0, 1)), ("es", (2,))):
        queries = [pair for number in members for pair in pairs[number].pairs]
        candidates = queries + [pair for number in members for pair in extra[number].pairs]
        sources, pivots = [p.source for p in candidates], [p.pivot for p in candidates]
        right = [
            (nearest(p.source, pivots) == p.pivot, nearest(p.pivot, sources) == p.source)
            for p in queries
        ]
        wrong += sum(not all(both) for both in right)
        share = sum(map(sum, right)) / (2 * len(queries))
        assert found.numbers[f"retrieval.{language}"] == pytest.approx(share)
        assert found.queries[language] == 2 * len(queries)
        assert found.candidates[language] == len(candidates)
    assert found.errors == {"retrieval": wrong}
    assert found.examples == {"retrieval": 2 * held + more}
    assert len(encoder.texts) == len(set(encoder.texts)), "a shared sentence is encoded once"


def test_parts_that_share_distractors_encode_them_once() -> None:
    extra = [Pairs("x", 5)]
    parts = [HeldOut([Pairs(name, 3)], extra) for name in "ab"]
    vectors = {
        f"{name}{end}{i}": torch.randn(4) for name in "abx" for end in ("", "-en") for i in range(5)
    }
    encoder = ByText(vectors)
    both = measure(encoder, parts, -1, "last")  # type: ignore[arg-type]
    assert sorted(encoder.texts) == sorted({*encoder.texts}) and len(encoder.texts) == 22
    alone = [measure(ByText(vectors), [part], -1, "last")[0] for part in parts]  # type: ignore[arg-type]
    assert both == alone


def test_without_held_out_pairs_nothing_is_measured() -> None:
    (found,) = measure(ByText({}), [HeldOut([Pairs("a", 0)])], -1, "last")  # type: ignore[arg-type, list-item]
    assert found == Measurement()


def test_effective_rank_of_equal_directions_is_their_number() -> None:
    corners = torch.cat([torch.eye(5), -torch.eye(5)])
    assert effective_rank(corners) == pytest.approx(5.0, rel=1e-5)


def test_effective_rank_of_one_direction_is_one() -> None:
    line = torch.linspace(-1, 1, 9).unsqueeze(1) * torch.tensor([[3.0, 4.0]])
    assert effective_rank(line) == pytest.approx(1.0, abs=1e-3)


def test_random_cosine_of_collapsed_vectors_is_one_and_of_opposites_is_the_pair_mean() -> None:
    assert random_cosine(torch.ones(20, 3)) == pytest.approx(1.0, abs=1e-6)
    # Two different rows of {v, -v} are always opposite.
    assert random_cosine(torch.tensor([[1.0, 2.0], [-1.0, -2.0]])) == pytest.approx(-1.0)


def test_the_verdict_names_what_got_worse_and_keeps_silent_otherwise() -> None:
    before = {"retrieval": 0.30, "aer": 0.31, "effective_rank": 40.0, "random_cosine": 0.5}
    worse = {"retrieval": 0.25, "aer": 0.38, "effective_rank": 10.0, "random_cosine": 0.8}
    assert verdict(2.0, 1.0, before, worse) == [
        "the loss fell, but held-out retrieval fell from 30.0% to 25.0%",
        "the loss fell, but word-alignment error rose from 31.0% to 38.0%",
        "the loss fell, but the sentence vectors are collapsing: effective rank from 40.0 to 10.0",
        "the loss fell, but the sentence vectors are collapsing: cosine of random pairs "
        "from 0.500 to 0.800",
    ]
    better = {"retrieval": 0.31, "aer": 0.30, "effective_rank": 41.0, "random_cosine": 0.7}
    assert verdict(2.0, 1.0, before, better) == [] == verdict(2.0, 1.0, {}, {})
    assert not math.isnan(random_cosine(torch.zeros(4, 2)))


def test_the_verdict_keeps_silent_about_what_was_and_is_at_its_ceiling() -> None:
    before, after = {"retrieval": 1.0, "aer": 0.0}, {"retrieval": 0.995, "aer": 0.01}
    assert verdict(2.0, 1.0, before, after, at_ceiling={"retrieval", "aer"}) == []
    assert len(verdict(2.0, 1.0, before, after, at_ceiling={"aer"})) == 1


@pytest.mark.parametrize(("errors", "named"), [(5, True), (6, False)])
def test_a_measurement_names_its_ceilings(errors: int, named: bool) -> None:
    found = Measurement(
        examples={"retrieval": 100, "aer": 100}, errors={"retrieval": errors, "aer": 50}
    )
    assert list(found.ceilings()) == ["retrieval"] * named
