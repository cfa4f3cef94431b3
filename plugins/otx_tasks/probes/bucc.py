"""BUCC: mine the translations in two texts that have few of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from otx.data.inference import encode_texts, reading
from otx.errors import DataError, MissingDataError
from otx.files.example_digest import digest
from otx.files.reading import find_plain_or_gz, read_lines
from otx.interfaces import BaseProbeTask, Encoder
from otx.links.mining import best_threshold, mine
from otx.types import Example, Score
from otx_tasks.files import folder_of, plain_name
from otx_tasks.probes import BUCC
from otx_tasks.probes.options import BuccOptions

PIVOT = "en"
SPLITS = ("training", "test")
SAMPLE = "dev"
"""XTREME's name of BUCC's sample, the part of its folder that chooses a threshold."""
REMEDY = "give the folder of XX-en.{training,test}.{XX,en,gold} with --data, plain or gz"
FOLDERS = ("", "bucc", "bucc2018")


@dataclass(frozen=True, slots=True)
class Split:
    """One part of the data of a language.

    Attributes:
        source: Sentences of the language by id, in file order.
        pivot: English sentences by id, in file order.
        gold: Gold pairs of ids (source, pivot).
    """

    source: dict[str, str]
    pivot: dict[str, str]
    gold: set[tuple[str, str]]


class BuccTask(BaseProbeTask):
    """Pairs are mined by margin and accepted above the threshold that is best on the training split.

    An example is a sentence of the language that is not English; its prediction is right if the pair is gold. F1 is
    that of BUCC's own scorer as long as no sentence is in two gold pairs.

    Args:
        options: Options of the task.

    References:
        Zweigenbaum et al. (2018), "Overview of the Third BUCC Shared Task".
        https://comparable.limsi.fr/bucc2018/bucc2018-task.html
    """

    info = BUCC
    options: BuccOptions

    def __init__(self, options: BuccOptions) -> None:
        super().__init__(options)
        self._read: dict[tuple[str, str], Split] = {}

    def languages(self) -> list[str]:
        """Return the languages that have files."""
        return sorted(self._prefixes)

    def load_examples(self, language: str) -> list[Example]:
        """Return the test sentences; ``gold`` holds the ids of English sentences."""
        split = self._split(language, "test")
        gold: dict[str, list[str]] = {}
        for source, pivot in sorted(split.gold):
            gold.setdefault(source, []).append(pivot)
        return [
            Example(name, name, {"text": text, "gold": gold.get(name, [])})
            for name, text in split.source.items()
        ]

    def fingerprint(self, language: str) -> str:
        """Return a hash of both splits: the threshold comes from the training split."""
        splits = [self._split(language, name) for name in SPLITS]
        return digest([], [[s.source, s.pivot, sorted(s.gold)] for s in splits])

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Return the ``pivot`` sentence paired with each sentence, and the ``margin``.

        The pivot is None below the threshold.
        """
        training, test = (self._split(language, name) for name in SPLITS)
        places = tuple(
            {name: i for i, name in enumerate(s)} for s in (training.source, training.pivot)
        )
        gold = {(places[0][a], places[1][b]) for a, b in training.gold}
        with reading(encoder):
            known = mine(*self._vectors(encoder, training), self.options.neighbours)
            threshold, _ = best_threshold(known, gold)
            mined = mine(*self._vectors(encoder, test), self.options.neighbours)
        sources, pivots = list(test.source), list(test.pivot)
        predictions: dict[str, Any] = {name: {"pivot": None, "margin": None} for name in sources}
        for pair in mined:
            accepted = pivots[pair.pivot] if pair.margin >= threshold else None
            predictions[sources[pair.source]] = {"pivot": accepted, "margin": pair.margin}
        return predictions

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the numbers of ``right``, ``found`` and ``gold`` pairs of the sentence."""
        pivot, gold = prediction["pivot"], example.fields["gold"]
        counts = {
            "right": float(pivot in gold),
            "found": float(pivot is not None),
            "gold": float(len(gold)),
        }
        return Score(example.id, example.cluster, counts)

    def sentences(self, language: str) -> list[str]:
        """Return every test sentence of both sides."""
        split = self._split(language, "test")
        return [*split.source.values(), *split.pivot.values()]

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return how many pairs there are to find."""
        gold = int(sum(score.statistics["gold"] for score in scores))
        return [f"{gold:,} pairs to find among {len(scores):,} sentences"]

    @cached_property
    def _prefixes(self) -> dict[str, Path]:
        """Common beginning of the paths of each language's files."""
        if self.options.data is None:
            raise MissingDataError("bucc needs files", REMEDY)
        folder = folder_of(self.options.data)
        pattern = re.compile(rf"(([a-z]{{2,3}})-{PIVOT})\.test\.\2")
        for name in FOLDERS:
            paths = [
                *(folder / name).glob("*.test.*"),
                *(folder / name).glob(f"*-{PIVOT}/*.test.*"),
            ]
            matches = ((pattern.fullmatch(plain_name(path)), path) for path in sorted(paths))
            prefixes = {match[2]: path.with_name(match[1]) for match, path in matches if match}
            if prefixes:
                return prefixes
        raise MissingDataError(f"{folder}: no XX-en.test.XX", REMEDY)

    def _split(self, language: str, split: str) -> Split:
        if language not in self._prefixes:
            raise DataError(
                f"bucc: no files for {language}",
                f"available languages: {', '.join(self.languages())}",
            )
        if (language, split) not in self._read:
            prefix = self._prefixes[language]
            names = (split, SAMPLE) if split == SPLITS[0] else (split,)
            files = (prefix.with_name(f"{prefix.name}.{name}.{language}") for name in names)
            kept = [name for name, file in zip(names, files, strict=True) if find_plain_or_gz(file)]
            self._read[language, split] = read_split(prefix, language, [*kept, split][0])
        return self._read[language, split]

    def _vectors(self, encoder: Encoder, split: Split) -> tuple[Tensor, Tensor]:
        layer, size = self.options.layer, self.options.batch
        source, pivot = (
            encode_texts(encoder, list(side.values()), layer, size)[0]
            for side in (split.source, split.pivot)
        )
        return source, pivot


def read_split(prefix: Path, language: str, split: str) -> Split:
    """Read ``PREFIX.SPLIT.{XX,en,gold}``.

    A line is an id, a tab and a sentence; in the gold file it is two ids with a tab between them.

    Args:
        prefix: Common beginning of the paths.
        language: The language that is not English.
        split: Name of the split in the files' names.

    Raises:
        DataError: For a missing file, another layout, an id twice, and a gold id without a sentence.
    """
    names = [f"{prefix.name}.{split}.{ending}" for ending in (language, PIVOT, "gold")]
    files = []
    for name in names:
        path = find_plain_or_gz(prefix.with_name(name))
        if path is None:
            raise DataError(f"{prefix.with_name(name)}: no such file", REMEDY)
        files.append(path)
    source, pivot = _sentences(files[0]), _sentences(files[1])
    gold = set()
    for number, line in enumerate(read_lines(files[2]), start=1):
        one, _, other = line.partition("\t")
        if one not in source or other not in pivot:
            raise DataError(f"{files[2]}:{number}: no sentences have these ids: {line}", REMEDY)
        gold.add((one, other))
    return Split(source, pivot, gold)


def _sentences(path: Path) -> dict[str, str]:
    sentences: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, tab, text = line.partition("\t")
        if not tab or not text.strip() or name in sentences:
            raise DataError(
                f"{path}:{number}: not a unique id, a tab and a sentence", "see BUCC 2018"
            )
        sentences[name] = text
    return sentences
