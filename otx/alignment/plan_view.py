"""The transport plan of one pair of sentences, by the encoders of a run before and after alignment."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from otx.config.settings import Settings
from otx.data.inference import reading
from otx.data.words import split_words, splits_everywhere
from otx.errors import DataError
from otx.interfaces import Encoder
from otx.ot.costs.ground import cosine
from otx.ot.problems.masses import uniform
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.runs.heatmap import Heatmap


def plan_of(
    encoder: Encoder, source: str, pivot: str, settings: Settings, epsilon: float, title: str
) -> Heatmap:
    """The balanced entropic plan between the words of the two sentences: cosine cost, uniform masses.

    Entry (i, j) is the share of word i's mass that goes to word j: rows sum to 1. Words that the encoder's limit cuts
    off are left out. Raises DataError for a sentence without words.
    """
    layer, vector = settings.encoder.layer, settings.encoder.word_vector
    sides, words = [], []
    with reading(encoder):
        for text in (source, pivot):
            batch = encoder.collate(encoder.tokenise([text]))
            vectors, mask = encoder.encode(batch, (layer,)).words(layer, vector)
            sides.append(vectors[:, mask[0]].float())
            words.append(_names(text, mask[0].nonzero()[:, 0].tolist()))
    if not all(words):
        raise DataError("a sentence has no words", "give two sentences in quotes")
    x, y = sides
    a, b = (uniform(torch.ones(1, len(own), dtype=torch.bool, device=x.device)) for own in words)
    plan = sinkhorn(cosine(x, y), a, b, epsilon=epsilon).plan[0]
    return Heatmap(title, tuple(words[0]), tuple(words[1]), (plan * len(words[0])).tolist())


def _names(text: str, numbers: Sequence[int]) -> list[str]:
    """What to call the words of these numbers; by number alone where words are the tokenizer's sub-words."""
    if not splits_everywhere(text):
        return [f"#{number}" for number in numbers]
    spans = split_words(text, pretokenised=False)
    return [text[slice(*spans[number])] for number in numbers]
