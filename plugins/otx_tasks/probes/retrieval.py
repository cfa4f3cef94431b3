"""Sentence retrieval: is the nearest neighbour of a sentence in the other language its translation?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from otx.data.inference import encode_texts, reading
from otx.files.example_digest import digest
from otx.interfaces import Encoder
from otx.links.neighbours import retrieve
from otx.runs.ceilings import ceiling
from otx.types import Example, Score
from otx_tasks.probes import RETRIEVAL
from otx_tasks.probes.parallel_files import find_parallel, read_parallel
from otx_tasks.probes.parallel_task import ParallelTask
from otx_tasks.sample_data import TRAINING, sample_folder

WAYS = ("to_pivot", "from_pivot", "csls_to_pivot", "csls_from_pivot")


class RetrievalTask(ParallelTask):
    """Retrieval in both directions between each language and English, by cosine and by CSLS of mean-pooled sub-words.

    The first metric is the mean accuracy of both directions, as in LASER; XTREME's is ``accuracy_to_pivot``. Of
    several neighbours at the same similarity, the first in the file counts. Without ``data``, the embedded sample's
    training sentences are distractors: candidates, but not queries.

    Args:
        options: Options of the task.

    References:
        Artetxe & Schwenk (2019), "Massively Multilingual Sentence Embeddings". https://arxiv.org/abs/1812.10464
        Conneau et al. (2018), "Word Translation Without Parallel Data" (CSLS). https://arxiv.org/abs/1710.04087
    """

    info = RETRIEVAL

    def fingerprint(self, language: str) -> str:
        """Return a hash of the sentences and the distractors."""
        return digest([*self.examples(language), *self.distractors(language)])

    def distractors(self, language: str) -> list[Example]:
        """Return the training pairs of the embedded sample; none if ``data`` is given.

        Args:
            language: The language.
        """
        if self.options.data is not None:
            return []
        pairs = read_parallel(find_parallel(sample_folder(), TRAINING)[language])
        return [replace(pair, id=f"train:{pair.id}") for pair in pairs]

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Return the sentence nearest to each side of every pair, by id.

        It is None if a vector has an undefined number.
        ``cut`` counts the words of both sides beyond the encoder's length limit.
        """
        examples = self.examples(language)
        candidates = [*examples, *self.distractors(language)]
        with reading(encoder):
            source, source_cut = self._side(encoder, candidates, "source")
            pivot, pivot_cut = self._side(encoder, candidates, "pivot")
        found = retrieve(source, pivot, self.options.neighbours)
        neighbours = {
            "to_pivot": found.to_y,
            "from_pivot": found.to_x,
            "csls_to_pivot": found.csls_to_y,
            "csls_from_pivot": found.csls_to_x,
        }
        ids = [
            *(candidate.id for candidate in candidates),
            None,
        ]  # -1, an undefined number, is the last
        table: dict[str, list[Any]] = {
            way: [ids[place] for place in places.tolist()] for way, places in neighbours.items()
        }
        table["cut"] = [a + b for a, b in zip(source_cut, pivot_cut, strict=True)]
        return {
            example.id: {name: column[row] for name, column in table.items()}
            for row, example in enumerate(examples)
        }

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the hits of the pair in both directions, and ``cut``."""
        hit = {way: float(prediction[way] == example.id) for way in WAYS}
        return Score(
            example.id, example.cluster, {**hit, "cut": float(prediction["cut"]), "n": 1.0}
        )

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return how many sentences are cut, and whether the accuracy is at its ceiling."""
        notes = []
        cut = sum(score.statistics["cut"] > 0 for score in scores)
        if cut:
            notes.append(f"{cut} sentence pairs were cut at the encoder's length limit")
        wrong = sum(
            score.statistics["to_pivot"] + score.statistics["from_pivot"] < 2 for score in scores
        )
        if reason := ceiling(len(scores), wrong):
            notes.append(f"{reason} ({wrong} of {len(scores)} pairs have an error)")
        return notes

    def _side(
        self, encoder: Encoder, examples: Sequence[Example], side: str
    ) -> tuple[Tensor, list[int]]:
        """Return sentence vectors ``[N, D]`` of one side, and the number of words cut from each sentence."""
        texts = [example.fields[side] for example in examples]
        return encode_texts(encoder, texts, self.options.layer, self.options.batch)
