"""Contextual word retrieval: of all words of the other language's sentences, is the linked one a word's nearest?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from otx.contracts import Encoder
from otx.data.examples import digest
from otx.data.reading import by_length, reading
from otx.links.nearest import csls_nearest
from otx.links.pharaoh import GoldPair
from otx.types import Example, Score, TokenRow
from otx_tasks import infos
from otx_tasks.gold_sets import GoldSet, read_set, sets_of
from otx_tasks.options import WordRetrievalOptions

WAYS = ("to_target", "from_target")


class WordRetrievalTask:
    """Cao et al. 2020, section 4: by CSLS among every word of the set's sentences, both ways.

    The words asked for are those with one sure link to a word that has no other; a set's name stands where a language
    does. A word that the encoder's length limit cuts off is found by nobody and finds none.
    """

    info = infos.WORD_RETRIEVAL

    def __init__(self, options: WordRetrievalOptions) -> None:
        self.options = options
        self._examples: dict[str, list[Example]] = {}

    def languages(self) -> list[str]:
        """The names of the sets."""
        return sorted(self._sets)

    def examples(self, language: str) -> list[Example]:
        """Sentence pairs of a set with fields ``source`` and ``target`` (words) and ``links``, the one-to-one ones."""
        if language not in self._examples:
            pairs = read_set(self._sets, language, self.info.name)[: self.options.sentences]
            self._examples[language] = [
                Example(f"{language}:{number}", f"{language}:{number}", _fields(pair))
                for number, pair in enumerate(pairs, start=1)
            ]
        return self._examples[language]

    def fingerprint(self, language: str) -> str:
        """A hash of words and links."""
        return digest(self.examples(language))

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """For each of a pair's links, the word that either end is nearest to: ``[sentence, word]``, or None."""
        examples = self.examples(language)
        with reading(encoder):
            source = self._words(encoder, [example.fields["source"] for example in examples])
            target = self._words(encoder, [example.fields["target"] for example in examples])
        found: dict[str, dict[str, list[Any]]] = {
            example.id: {way: [] for way in WAYS} for example in examples
        }
        for way, end, (words, own), (others, other) in (
            ("to_target", 0, source, target),
            ("from_target", 1, target, source),
        ):
            rows = {place: row for row, place in enumerate(words)}
            asked = [
                (number, link)
                for number, example in enumerate(examples)
                for link in example.fields["links"]
            ]
            there = [
                rows[number, link[end]] for number, link in asked if (number, link[end]) in rows
            ]
            nearest = iter(csls_nearest(own, other, self.options.neighbours)[there].tolist())
            for number, link in asked:
                place = next(nearest) if (number, link[end]) in rows else -1
                answer = None if place < 0 else list(others[place])
                found[examples[number].id][way].append(answer)
        return found

    def score(self, prediction: Any, example: Example) -> Score:
        """Links whose other end was found, both ways, and ``n`` links."""
        number = int(example.id.rpartition(":")[2]) - 1
        links = example.fields["links"]
        hits = {
            way: float(
                sum(
                    a == [number, link[1 - end]]
                    for a, link in zip(prediction[way], links, strict=True)
                )
            )
            for end, way in enumerate(WAYS)
        }
        return Score(example.id, example.cluster, {**hits, "n": float(len(links))})

    def sentences(self, language: str) -> list[str]:
        """Both sides of every pair, their words joined."""
        sides = ("source", "target")
        return [" ".join(e.fields[side]) for e in self.examples(language) for side in sides]

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """How many words are asked for, of how many sentences, and where the index base comes from."""
        links = int(sum(score.statistics["n"] for score in scores))
        gold = self._sets[language]
        return [
            f"{links:,} words of {len(scores):,} sentences; indices count from {gold.index_base} ({gold.told_by})"
        ]

    @cached_property
    def _sets(self) -> dict[str, GoldSet]:
        return sets_of(self.options.data, self.options.index_base)

    def _words(
        self, encoder: Encoder, sentences: Sequence[Sequence[str]]
    ) -> tuple[list[tuple[int, int]], Tensor]:
        """(sentence, word) and vector ``[N, D]`` of every word that the encoder read, in order."""
        rows: list[TokenRow] = encoder.tokenise(
            [" ".join(own) for own in sentences], pretokenised=True
        )
        vectors: list[Tensor] = [torch.empty(0)] * len(rows)
        kept: list[list[int]] = [[]] * len(rows)
        options = self.options
        for indices in by_length(rows, options.batch):
            encoded = encoder.encode(encoder.collate([rows[i] for i in indices]), (options.layer,))
            states, mask = encoded.words(options.layer, options.vector)
            for index, own, real in zip(indices, states.float().cpu(), mask.cpu(), strict=True):
                vectors[index], kept[index] = own[real], real.nonzero().squeeze(1).tolist()
        places = [(number, word) for number, words in enumerate(kept) for word in words]
        return places, torch.cat(vectors)


def _fields(pair: GoldPair) -> dict[str, Any]:
    ends = [{i: 0 for i, _ in pair.links.possible}, {j: 0 for _, j in pair.links.possible}]
    for link in pair.links.possible:
        for counts, word in zip(ends, link, strict=True):
            counts[word] += 1
    single = [
        list(link) for link in sorted(pair.links.sure) if ends[0][link[0]] == ends[1][link[1]] == 1
    ]
    return {"source": list(pair.source), "target": list(pair.target), "links": single}
