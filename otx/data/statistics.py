"""What a corpus is like: sizes, lengths, ratios, repetitions, scripts, and what of it is tested on."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from otx.data.ledger import Ledger, count_lines
from otx.data.normalise import normal_form, sentence_hash
from otx.data.scripts import ScriptCounter, scripts_of
from otx.data.subset import each_pair
from otx.data.words import split_words
from otx.interfaces import Corpus


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, median, 95th percentile and largest of some numbers."""

    mean: float
    median: float
    high: float
    largest: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread | None:
        """The spread of the numbers, None without any."""
        values = np.asarray(numbers)
        if not len(values):
            return None
        median, high = np.percentile(values, [50, 95])
        return cls(float(values.mean()), float(median), float(high), float(values.max()))


@dataclass(frozen=True, slots=True)
class Side:
    """One language of a corpus: ``words`` and ``characters`` of a sentence, and how often sentences repeat.

    ``repeated`` are sentences that came before in normal form (case, punctuation and spaces aside); ``in_script`` is
    the share of letters in ``scripts``, ``foreign`` the sentences of which most letters are in others.
    """

    language: str
    words: Spread | None
    characters: Spread | None
    repeated: int
    scripts: tuple[str, ...]
    in_script: float
    foreign: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """A corpus: the ledger of its lines, and its problems by kind.

    ``ratio`` is of the longer side's characters to the shorter's, white space not counted; ``duplicates`` are pairs
    that came before, ``identical`` pairs of two equal sides.
    """

    name: str
    pairs: int
    ledger: Ledger
    problems: Mapping[str, int]
    ratio: Spread | None
    duplicates: int
    identical: int
    sides: tuple[Side, Side]
    overlap: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each evaluated set, its sentences that are in the corpus, and all of them."""


def describe(corpus: Corpus) -> Statistics:
    """Describe a corpus in one pass; memory: some 50 bytes a pair."""
    sides = _Side(corpus.source_language), _Side(corpus.pivot_language)
    ratios, pairs, identical = array("f"), array("Q"), 0
    for pair in each_pair(corpus):
        texts = pair.source, pair.pivot
        for side, text in zip(sides, texts, strict=True):
            side.add(text, corpus.pretokenised)
        sizes = [len("".join(text.split())) for text in texts]
        ratios.append(max(sizes) / max(min(sizes), 1))
        forms = [normal_form(text) for text in texts]
        identical += forms[0] == forms[1]
        pairs.append(sentence_hash("\n".join(texts), "\n".join(forms)))
    return Statistics(
        name=corpus.name,
        pairs=len(corpus),
        ledger=count_lines(corpus),
        problems=dict(Counter(problem.kind for problem in corpus.problems())),
        ratio=Spread.of(ratios),
        duplicates=_repeated(pairs),
        identical=identical,
        sides=(sides[0].described(), sides[1].described()),
    )


class _Side:
    """Counts one side as its sentences pass."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.words, self.characters, self.forms = array("I"), array("I"), array("Q")
        self.script = ScriptCounter(language)

    def add(self, text: str, pretokenised: bool) -> None:
        self.words.append(len(split_words(text, pretokenised=pretokenised)))
        self.characters.append(len(text))
        self.forms.append(sentence_hash(text))
        self.script.add(text)

    def described(self) -> Side:
        return Side(
            language=self.language,
            words=Spread.of(self.words),
            characters=Spread.of(self.characters),
            repeated=_repeated(self.forms),
            scripts=scripts_of(self.language),
            in_script=self.script.share,
            foreign=self.script.foreign,
        )


def _repeated(hashes: array[int]) -> int:
    return len(hashes) - len(np.unique(np.frombuffer(hashes, dtype=np.uint64)))
