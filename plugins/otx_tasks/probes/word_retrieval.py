"""Contextual word retrieval: is the linked word the nearest among all words of the other language's sentences?"""

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
from otx_tasks.probes import WORD_RETRIEVAL
from otx_tasks.probes.gold_task import GoldTask
from otx_tasks.probes.options import WordRetrievalOptions

WAYS = ("to_target", "from_target")


class WordRetrievalTask(GoldTask):
    """Retrieval by CSLS among every word of the set's sentences, in both directions.

    The queries are the words with one sure link to a word that has no other link. The name of a gold set takes the
    place of a language. A word beyond the encoder's length limit is neither found nor finds another.

    Args:
        options: Options of the task.

    References:
        Cao et al. (2020), "Multilingual Alignment of Contextual Word Representations", section 4.
        https://arxiv.org/abs/2002.03518
    """

    info = WORD_RETRIEVAL
    options: WordRetrievalOptions

    def pairs(self, language: str) -> list[GoldPair]:
        """Return the first pairs of a set."""
        return super().pairs(language)[: self.options.sentences]

    def fields_of(self, pair: GoldPair) -> Mapping[str, Any]:
        """Return the words, and in ``links`` the sure links of words without another link."""
        sources, targets = (Counter(link[end] for link in pair.links.possible) for end in (0, 1))
        single = [
            list(link)
            for link in sorted(pair.links.sure)
            if sources[link[0]] == targets[link[1]] == 1
        ]
        return {"source": list(pair.source), "target": list(pair.target), "links": single}

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Return the word nearest to each end of a link: ``[sentence, word]`` or None."""
        examples = self.examples(language)
        with reading(encoder):
            source = self._words(encoder, [example.fields["source"] for example in examples])
            target = self._words(encoder, [example.fields["target"] for example in examples])
        predictions: dict[str, dict[str, list[Any]]] = {
            example.id: {way: [] for way in WAYS} for example in examples
        }
        links = [
            (number, link)
            for number, example in enumerate(examples)
            for link in example.fields["links"]
        ]
        for way, end, (words, vectors), (other_words, other_vectors) in (
            ("to_target", 0, source, target),
            ("from_target", 1, target, source),
        ):
            rows = {place: row for row, place in enumerate(words)}
            queries = [
                rows[number, link[end]] for number, link in links if (number, link[end]) in rows
            ]
            nearest = csls_nearest(vectors, other_vectors, self.options.neighbours)
            answers = iter(nearest[queries].tolist())
            for number, link in links:
                row = next(answers) if (number, link[end]) in rows else -1
                answer = None if row < 0 else list(other_words[row])
                predictions[examples[number].id][way].append(answer)
        return predictions

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the hits of the links in both directions, and ``n``, the links."""
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
        """Return the numbers of queries and sentences, the index base, and links left out."""
        links = int(sum(score.statistics["n"] for score in scores))
        return [f"{links:,} words of {len(scores):,} sentences", *self.set_notes(language)]

    def _words(
        self, encoder: Encoder, sentences: Sequence[Sequence[str]]
    ) -> tuple[list[tuple[int, int]], Tensor]:
        """Return (sentence, word) and vector ``[N, D]`` of every word within the length limit, in order."""
        rows: list[TokenRow] = encoder.tokenise(
            [" ".join(words) for words in sentences], pretokenised=True
        )
        vectors: list[Tensor] = [torch.empty(0)] * len(rows)
        kept: list[list[int]] = [[]] * len(rows)
        options = self.options
        for indices in by_length(rows, options.batch):
            encoded = encoder.encode(encoder.collate([rows[i] for i in indices]), (options.layer,))
            states, mask = encoded.words(options.layer, options.vector)
            for index, state, real in zip(indices, states.float().cpu(), mask.cpu(), strict=True):
                vectors[index], kept[index] = state[real], real.nonzero().squeeze(1).tolist()
        places = [(number, word) for number, words in enumerate(kept) for word in words]
        return places, torch.cat(vectors)
