"""Sentence retrieval: is a sentence's nearest neighbour in the other language its own translation?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from otx.data.inference import reading, sentence_vectors
from otx.files.example_digest import digest
from otx.interfaces import Encoder
from otx.links.neighbours import cosine_similarity, csls, nearest
from otx.runs.ceilings import ceiling
from otx.types import Example, Score
from otx_tasks import infos
from otx_tasks.probes.parallel_files import find_parallel, read_parallel
from otx_tasks.probes.parallel_task import ParallelTask
from otx_tasks.sample_data import TRAINING, sample_folder

WAYS = ("to_pivot", "from_pivot", "csls_to_pivot", "csls_from_pivot")


class RetrievalTask(ParallelTask):
    """Both ways between each language and English, by cosine and by CSLS of mean-pooled sub-words.

    The accuracy shown first is the mean of both ways (LASER, Artetxe & Schwenk 2019; XTREME's is foreign to English:
    ``accuracy_to_pivot``). Of several nearest at the same similarity the first in the file counts. Without ``data``,
    the embedded sample's training sentences are distractors: candidates, but no queries.
    """

    info = infos.RETRIEVAL

    def fingerprint(self, language: str) -> str:
        """Hash the sentences and the distractors."""
        return digest([*self.examples(language), *self.distractors(language)])

    def distractors(self, language: str) -> list[Example]:
        """Return the training pairs of the embedded sample, or none where ``data`` is given."""
        if self.options.data is not None:
            return []
        pairs = read_parallel(find_parallel(sample_folder(), TRAINING)[language])
        return [replace(pair, id=f"train:{pair.id}") for pair in pairs]

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Of every pair, which other side's sentence each of its sides is nearest to, by id (None: no number).

        And ``cut``: words of both sides that were lost to the encoder's length limit.
        """
        examples = self.examples(language)
        candidates = [*examples, *self.distractors(language)]
        with reading(encoder):
            source, source_cut = self._side(encoder, candidates, "source")
            pivot, pivot_cut = self._side(encoder, candidates, "pivot")
        cosine = cosine_similarity(source, pivot)
        scaled = csls(cosine, self.options.neighbours)
        found = {
            "to_pivot": nearest(cosine),
            "from_pivot": nearest(cosine.mT),
            "csls_to_pivot": nearest(scaled),
            "csls_from_pivot": nearest(scaled.mT),
        }
        ids = [*(candidate.id for candidate in candidates), None]  # -1, no number, is the last
        table: dict[str, list[Any]] = {
            way: [ids[place] for place in places.tolist()] for way, places in found.items()
        }
        table["cut"] = (source_cut + pivot_cut).tolist()
        return {
            example.id: {name: column[row] for name, column in table.items()}
            for row, example in enumerate(examples)
        }

    def score(self, prediction: Any, example: Example) -> Score:
        """Hits of the pair in both directions, and ``cut``."""
        hit = {way: float(prediction[way] == example.id) for way in WAYS}
        return Score(
            example.id, example.cluster, {**hit, "cut": float(prediction["cut"]), "n": 1.0}
        )

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Tell how many sentences were cut, and whether accuracy is at its ceiling."""
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
    ) -> tuple[Tensor, Tensor]:
        """Sentence vectors ``[N, D]`` of one side, and the words cut from each sentence ``[N]``."""
        rows = encoder.tokenise([example.fields[side] for example in examples])
        vectors = sentence_vectors(encoder, rows, self.options.layer, self.options.batch)
        return vectors, torch.tensor([row.cut for row in rows])
