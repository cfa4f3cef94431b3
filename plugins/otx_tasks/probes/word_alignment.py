"""Word alignment: links extracted from word vectors, compared with gold links."""

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
from otx_tasks.probes import WORD_ALIGNMENT
from otx_tasks.probes.gold_task import GoldTask
from otx_tasks.probes.options import WordAlignmentOptions


class WordAlignmentTask(GoldTask):
    """AER, precision, recall and F1 over each gold set, whose name takes the place of a language.

    Sentences are split at white space, as the gold links count. A word beyond the encoder's length limit has no links;
    the numbers of the other words do not change.

    Args:
        options: Options of the task.

    References:
        Och & Ney (2003), "A Systematic Comparison of Various Statistical Alignment Models".
        https://aclanthology.org/J03-1002
    """

    info = WORD_ALIGNMENT
    options: WordAlignmentOptions

    def fields_of(self, pair: GoldPair) -> Mapping[str, Any]:
        """Return the words and the ``sure`` and ``possible`` links."""
        return {
            "source": list(pair.source),
            "target": list(pair.target),
            "sure": sorted(pair.links.sure),
            "possible": sorted(pair.links.possible),
        }

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Return the ``links`` of every pair in Pharaoh notation, from 0.

        ``cut`` counts the words beyond the encoder's length limit.
        """
        examples = self.examples(language)
        links: list[Links] = [frozenset()] * len(examples)
        cut = [0] * len(examples)
        sources = encoder.tokenise(
            [" ".join(e.fields["source"]) for e in examples], pretokenised=True
        )
        targets = encoder.tokenise(
            [" ".join(e.fields["target"]) for e in examples], pretokenised=True
        )
        options = self.options
        method = MethodSettings(options.extraction, options.threshold, options.epsilon)
        with reading(encoder):
            for indices in by_length(sources, options.batch):
                sides = []
                for rows in (sources, targets):
                    batch = encoder.collate([rows[index] for index in indices])
                    encoded = encoder.encode(batch, (options.layer,))
                    vectors, mask = encoded.words(options.layer, options.vector)
                    sides.append((vectors.float().cpu(), mask.cpu()))
                (x, x_mask), (y, y_mask) = sides
                batch_links = find_links(x, x_mask, y, y_mask, method)
                for index, extracted in zip(indices, batch_links, strict=True):
                    links[index] = extracted.links
                    cut[index] = sources[index].cut + targets[index].cut
        return {
            example.id: {"links": format_pharaoh(GoldLinks(pair_links, pair_links)), "cut": lost}
            for example, pair_links, lost in zip(examples, links, cut, strict=True)
        }

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the counts that AER sums, and ``cut``."""
        counts = aer_statistics(parse_pharaoh(prediction["links"]).sure, _gold(example))
        return Score(example.id, example.cluster, {**counts, "cut": float(prediction["cut"])})

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return the index base, links left out, and the number of pairs that are cut."""
        lines = self.set_notes(language)
        cut = sum(score.statistics["cut"] > 0 for score in scores)
        return [*lines, f"{cut} pairs were cut at the encoder's length limit"] if cut else lines


def _gold(example: Example) -> GoldLinks:
    sure = frozenset(map(tuple, example.fields["sure"]))
    return GoldLinks(sure, frozenset(map(tuple, example.fields["possible"])))
