"""Held-out retrieval: the share of sentences whose translation is the nearest of all candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from otx.data.inference import sentence_vectors
from otx.data.subset import each_pair
from otx.files.digests import short_key
from otx.interfaces import Corpus, Encoder
from otx.links.gold import GoldPair
from otx.links.neighbours import nearest_rows

BATCH = 64
"""Number of sentences that are encoded together."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One part of the held-out data that diagnostics measure.

    Attributes:
        pairs: Held-out pairs of every corpus; both sides are queries.
        distractors: Further pairs of every corpus; their sentences are candidates only.
        gold: Gold word links.
    """

    pairs: Sequence[Corpus]
    distractors: Sequence[Corpus] = ()
    gold: Sequence[GoldPair] = ()

    def fingerprint(self) -> str:
        """Return a hash of the pairs, the distractors and the gold word links."""
        corpora = [
            [(corpus.fingerprint(), corpus.source_language, corpus.pretokenised) for corpus in part]
            for part in (self.pairs, self.distractors)
        ]
        gold = [
            (pair.source, pair.target, sorted(pair.links.sure), sorted(pair.links.possible))
            for pair in self.gold
        ]
        return short_key(corpora, gold)

    def sentences(self) -> Iterator[tuple[str, bool]]:
        """Yield every sentence of the pairs and distractors, and whether it is pre-tokenised."""
        for corpus in (*self.pairs, *self.distractors):
            for pair in each_pair(corpus):
                yield pair.source, corpus.pretokenised
                yield pair.pivot, corpus.pretokenised


@dataclass(slots=True)
class Candidates:
    """Sentence vectors of one language pair.

    Attributes:
        queries: Number ``Q`` of held-out pairs, which come first.
        source: Vectors ``[N, D]`` of the source side.
        pivot: Vectors ``[N, D]`` of the pivot side; row i translates row i of ``source``.
    """

    queries: int
    source: Tensor
    pivot: Tensor

    def find(self) -> Tensor:
        """Return ``[Q, 2]``: True where the nearest candidate is the translation, to and from the pivot."""
        rows = torch.arange(self.queries)
        ways = ((self.source, self.pivot), (self.pivot, self.source))
        return torch.stack([nearest_rows(x[: self.queries], y) == rows for x, y in ways], dim=1)


@dataclass(slots=True)
class SentenceVectors:
    """Vectors of different sentences, each encoded once however many corpora and parts share it.

    Attributes:
        vectors: Vectors ``[S, D]``.
        rows: Row of each sentence, by its text and whether it is pre-tokenised.
    """

    vectors: Tensor = field(default_factory=lambda: torch.empty(0))
    rows: dict[tuple[str, bool], int] = field(default_factory=dict)

    @classmethod
    def encode(
        cls,
        encoder: Encoder,
        sentences: Iterable[tuple[str, bool]],
        layer: int,
        max_length: int | None = None,
    ) -> SentenceVectors:
        """Encode sentences, those of similar length together.

        Args:
            encoder: The encoder, on its device.
            sentences: Texts, and for each whether it is pre-tokenised; repetitions are encoded once.
            layer: Hidden layer of the vectors.
            max_length: Maximum number of sub-words of a sentence; None means the encoder's own limit.
        """
        different = sorted(dict.fromkeys(sentences), key=lambda sentence: sentence[1])
        if not different:
            return cls()
        tokens = []
        for pretokenised in (False, True):
            texts = [text for text, words in different if words == pretokenised]
            if texts:
                tokens += encoder.tokenise(texts, pretokenised=pretokenised, max_length=max_length)
        rows = {sentence: row for row, sentence in enumerate(different)}
        return cls(sentence_vectors(encoder, tokens, layer, BATCH), rows)

    def candidates(self, part: HeldOut) -> dict[str, Candidates]:
        """Return the vectors of a part by source language; a language without held-out pairs has none.

        Args:
            part: The part, all of whose sentences were encoded.
        """
        source: dict[str, list[int]] = defaultdict(list)
        pivot: dict[str, list[int]] = defaultdict(list)
        queries: dict[str, int] = defaultdict(int)
        for corpus in part.pairs:
            queries[corpus.source_language] += len(corpus)
        for corpus in (*part.pairs, *part.distractors):
            for pair in each_pair(corpus):
                source[corpus.source_language].append(self.rows[pair.source, corpus.pretokenised])
                pivot[corpus.source_language].append(self.rows[pair.pivot, corpus.pretokenised])
        return {
            language: Candidates(
                count, self.vectors[source[language]], self.vectors[pivot[language]]
            )
            for language, count in queries.items()
            if count
        }
