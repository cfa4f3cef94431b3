"""Word alignment: links extracted from word vectors, against gold links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otx.data.inference import by_length, reading
from otx.interfaces import Encoder
from otx.links.aer import aer_statistics
from otx.links.gold import GoldPair
from otx.links.methods import MethodSettings, find_links
from otx.links.pharaoh import GoldLinks, format_pharaoh, parse_pharaoh
from otx.types import Example, Links, Score
from otx_tasks import infos
from otx_tasks.options import WordAlignmentOptions
from otx_tasks.probes.gold_task import GoldTask


class WordAlignmentTask(GoldTask):
    """AER, precision, recall and F1 (Och & Ney 2003) over each set; a set's name stands where a language does.

    Sentences are split at white space, as the gold links count. A word that the encoder's length limit cuts off has
    no links; no other word's number changes.
    """

    info = infos.WORD_ALIGNMENT

    options: WordAlignmentOptions

    def fields_of(self, pair: GoldPair) -> Mapping[str, Any]:
        """Besides the words ``sure`` and ``possible`` links."""
        return {
            "source": list(pair.source),
            "target": list(pair.target),
            "sure": sorted(pair.links.sure),
            "possible": sorted(pair.links.possible),
        }

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """The ``links`` of every pair, as Pharaoh writes them (from 0); ``cut``: words lost to the length limit."""
        examples = self.examples(language)
        found: list[Links] = [frozenset()] * len(examples)
        cut = [0] * len(examples)
        sources = encoder.tokenise(
            [" ".join(e.fields["source"]) for e in examples], pretokenised=True
        )
        targets = encoder.tokenise(
            [" ".join(e.fields["target"]) for e in examples], pretokenised=True
        )
        options = self.options
        way = MethodSettings(options.extraction, options.threshold, options.epsilon)
        with reading(encoder):
            for indices in by_length(sources, options.batch):
                sides = []
                for rows in (sources, targets):
                    batch = encoder.collate([rows[index] for index in indices])
                    encoded = encoder.encode(batch, (options.layer,))
                    vectors, mask = encoded.words(options.layer, options.vector)
                    sides.append((vectors.float().cpu(), mask.cpu()))
                (x, x_mask), (y, y_mask) = sides
                batch_links = find_links(x, x_mask, y, y_mask, way)
                for index, own in zip(indices, batch_links, strict=True):
                    found[index] = own.links
                    cut[index] = sources[index].cut + targets[index].cut
        return {
            example.id: {"links": format_pharaoh(GoldLinks(links, links)), "cut": lost}
            for example, links, lost in zip(examples, found, cut, strict=True)
        }

    def score(self, prediction: Any, example: Example) -> Score:
        """The counts that AER sums, and ``cut``."""
        counts = aer_statistics(parse_pharaoh(prediction["links"]).sure, _gold(example))
        return Score(example.id, example.cluster, {**counts, "cut": float(prediction["cut"])})

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """What a reader of the scores should know: the index base, links left out, pairs that were cut."""
        lines = self.set_notes(language)
        cut = sum(score.statistics["cut"] > 0 for score in scores)
        return [*lines, f"{cut} pairs were cut at the encoder's length limit"] if cut else lines


def _gold(example: Example) -> GoldLinks:
    sure = frozenset(map(tuple, example.fields["sure"]))
    return GoldLinks(sure, frozenset(map(tuple, example.fields["possible"])))
