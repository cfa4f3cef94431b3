"""Contextual word retrieval: of all words of the other language's sentences, is the linked one a word's nearest?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from otx.data.inference import by_length, reading
from otx.interfaces import Encoder
from otx.links.gold import GoldPair
from otx.links.neighbours import csls_nearest
from otx.types import Example, Score, TokenRow
from otx_tasks import infos
from otx_tasks.options import WordRetrievalOptions
from otx_tasks.probes.gold_task import GoldTask

WAYS = ("to_target", "from_target")


class WordRetrievalTask(GoldTask):
    """Cao et al. 2020, section 4: by CSLS among every word of the set's sentences, both ways.

    The words asked for are those with one sure link to a word that has no other; a set's name stands where a language
    does. A word that the encoder's length limit cuts off is found by nobody and finds none.
    """

    info = infos.WORD_RETRIEVAL

    options: WordRetrievalOptions

    def pairs(self, language: str) -> list[GoldPair]:
        """The first of the set's."""
        return super().pairs(language)[: self.options.sentences]

    def fields_of(self, pair: GoldPair) -> Mapping[str, Any]:
        """Besides the words ``links``, the sure ones between words that have no other, possible ones counted."""
        sources, targets = (Counter(link[end] for link in pair.links.possible) for end in (0, 1))
        single = [
            list(link)
            for link in sorted(pair.links.sure)
            if sources[link[0]] == targets[link[1]] == 1
        ]
        return {"source": list(pair.source), "target": list(pair.target), "links": single}

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

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """How many words are looked for, of how many sentences; the index base, and links left out."""
        links = int(sum(score.statistics["n"] for score in scores))
        return [f"{links:,} words of {len(scores):,} sentences", *self.set_notes(language)]

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
