"""What tasks share that tag each word: one linear map on a word's first sub-word, learnt in English."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from otx.config.roles import keyed_options
from otx.errors import DataError, MissingDataError
from otx.files.example_digest import digest
from otx.interfaces import Encoder
from otx.types import Example, Loss, Problem, Score, TaskInfo, TokenBatch, TokenRow
from otx_tasks.dev_split import carve
from otx_tasks.extra_training_data import further
from otx_tasks.files import by_language, existing, first_split, folder_of, split_note
from otx_tasks.heads import ReorderedHead
from otx_tasks.hub import HUB_SPLITS, tagged_rows
from otx_tasks.options import TaggingOptions
from otx_tasks.tagging.tagged_files import Tagged, read_tagged

IGNORED = -100
SPLITS = ("test", "dev")
"""What may be tested on: the first that has files, unless the option names one."""


@dataclass(frozen=True, slots=True)
class TagFeature:
    """A sentence's sub-words, where each word's first one is ``[W]``, and the number of its tag ``[W]``.

    ``words`` are the numbers of the words that have a sub-word within the limit.
    """

    example: str
    row: TokenRow
    words: list[int]
    firsts: list[int]
    tags: list[int]
    total: int

    @property
    def length(self) -> int:
        """Sub-words, special tokens included."""
        return len(self.row.ids)

    @property
    def label(self) -> list[int] | None:
        """None where no word is left to learn from."""
        return self.tags or None


class TaggingTask:
    """A word's tag is predicted from its first sub-word; a word beyond the length limit gets ``fallback``.

    A subclass says its tags, where its files lie and how a sentence is scored. Development sentences are carved from
    the English training file, the same for every seed.
    """

    info: ClassVar[TaskInfo]
    tags: ClassVar[tuple[str, ...]]
    fallback: ClassVar[str]
    folders: ClassVar[tuple[str, ...]]
    train_folders: ClassVar[tuple[str, ...]]
    train_names: ClassVar[tuple[str, ...]] = ("train-{0}.tsv",)
    """What a training file is called, the language in it."""
    hub_names: ClassVar[Mapping[str, str]]
    """The configuration of each language in XTREME's copy on the Hub."""
    hub_column: ClassVar[str]
    head_kind = "token-classification"
    feature = TagFeature
    floor_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: TaggingOptions) -> None:
        self.options = options
        self._examples: dict[str, list[Example]] = {}
        self._seen = 0

    def languages(self) -> list[str]:
        """The languages there are test files for, the trained one first."""
        return sorted(self._there, key=lambda language: (language != self.options.source, language))

    def examples(self, language: str) -> list[Example]:
        """The sentences of a language, with fields ``words`` and ``tags``. Raises DataError if there are none."""
        if language not in self._there:
            raise DataError(
                f"{self.info.name}: no {self._split[0]} file in {language}",
                f"there are {', '.join(self.languages())}",
            )
        if language not in self._examples:
            examples = _examples(self._tested(language))
            self._examples[language] = examples[: self.options.test_limit]
        return self._examples[language]

    def fingerprint(self, language: str) -> str:
        """A hash of words and tags."""
        return digest(self.examples(language))

    def sentences(self, language: str) -> list[str]:
        """Every sentence, its words joined."""
        return [" ".join(example.fields["words"]) for example in self.examples(language)]

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """How many words lay beyond the length limit, and how many English sentences were trained on."""
        lines = []
        cut = int(sum(score.statistics["cut"] for score in scores))
        if cut:
            lines.append(f"{cut:,} words were beyond the length limit and count as {self.fallback}")
        lines += split_note(self._split[0], SPLITS, self.options.split)
        known = self._seen if language == self.options.source else 0
        if known:
            lines.append(f"{known:,} of {len(scores):,} sentences are in the training file too")
        return lines

    def problems(self) -> list[Problem]:
        """None: a training file is read whole or not at all."""
        return []

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """English sentences; 5 % are for development, the same for every seed.

        Raises DataError if a tested English sentence is among them.
        """
        return self._training

    def training_fingerprint(self) -> str:
        """A hash of the training and development sentences and of every option but the paths."""
        return digest([*self._training[0], *self._training[1]], keyed_options(self.options))

    def carried(self, head: nn.Module) -> nn.Module | None:
        """A checkpoint's own tagging head with the task's order of tags; None if it has others."""
        names = [str(name) for name in getattr(head, "labels", ())]
        if sorted(names) != sorted(self.tags):
            return None
        return ReorderedHead(head, [names.index(tag) for tag in self.tags])

    def labels(self) -> Sequence[str]:
        """The tags."""
        return self.tags

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[TagFeature]:
        """One sequence a sentence, cut between words at the length limit."""
        limit = min(self.options.max_length, encoder.max_length)
        before, encoder.max_length = encoder.max_length, limit
        try:
            texts = [" ".join(example.fields["words"]) for example in examples]
            rows = encoder.tokenise(texts, pretokenised=True)
        finally:
            encoder.max_length = before
        return [self._feature(*pair) for pair in zip(examples, rows, strict=True)]

    def collate(
        self, encoder: Encoder, features: Sequence[TagFeature]
    ) -> tuple[TokenBatch, Tensor]:
        """The padded sentences, and at each word's first sub-word its tag's number ``[B, T]`` (-100 elsewhere)."""
        batch = encoder.collate([feature.row for feature in features])
        labels = torch.full(batch.ids.shape, IGNORED)
        for row, feature in zip(labels, features, strict=True):
            row[feature.firsts] = torch.tensor(feature.tags, dtype=torch.long)
        return batch, labels.to(batch.ids.device)

    def loss(self, logits: Tensor, labels: Tensor) -> Loss:
        """Mean cross-entropy over the words of the batch."""
        return Loss(
            functional.cross_entropy(
                logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED
            )
        )

    def decode(
        self, features: Sequence[TagFeature], logits: Sequence[Tensor]
    ) -> dict[str, dict[str, Any]]:
        """The most likely tag of every word by example, and ``cut``, how many words had to do without."""
        found = {}
        for feature, row in zip(features, logits, strict=True):
            tags = [self.fallback] * feature.total
            for word, first in zip(feature.words, feature.firsts, strict=True):
                tags[word] = self.tags[int(row[first].argmax())]
            found[feature.example] = {"tags": tags, "cut": feature.total - len(feature.words)}
        return found

    def read_line(self, line: str, number: int) -> Example:
        """Words with white space between them."""
        words = line.split()
        if not words:
            raise DataError(f"line {number} is empty", "write a sentence, its words apart")
        return Example(str(number), str(number), {"words": words, "tags": None})

    def count_cut(self, encoder: Encoder, examples: Sequence[Example]) -> list[int]:
        """Count the words of each example that the length limit leaves out."""
        features = self.features(encoder, examples)
        return [feature.total - len(feature.words) for feature in features]

    def write_line(self, prediction: dict[str, Any]) -> str:
        """The tags, in the order of the words."""
        return " ".join(prediction["tags"])

    def floors(self, language: str) -> dict[str, list[Score]]:
        """No baseline without an encoder, unless a subclass has one."""
        return {}

    def _feature(self, example: Example, row: TokenRow) -> TagFeature:
        first: dict[int, int] = {}
        for place, word in enumerate(row.word_index):
            if word >= 0:
                first.setdefault(word, place)
        words = sorted(first)
        gold = example.fields["tags"]
        tags = [IGNORED if gold is None else self.tags.index(gold[word]) for word in words]
        firsts = [first[word] for word in words]
        return TagFeature(example.id, row, words, firsts, tags, len(example.fields["words"]))

    @property
    def _there(self) -> Collection[str]:
        """Languages with test files, or on the Hub where no folder is given."""
        return self.hub_names if self.options.data is None else self._split[1]

    def _tested(self, language: str) -> list[Tagged]:
        split, files = self._split
        if self.options.data is None:
            return self._from_hub(language, HUB_SPLITS[split])
        return self._read(files[language])

    def _from_hub(self, language: str, split: str) -> list[Tagged]:
        wanted = f"give the folder of {self.info.name}'s files with --data"
        rows = tagged_rows(self.hub_names[language], split, self.hub_column, wanted)
        return [
            Tagged(f"row-{number}", tuple(words), tuple(tags))
            for number, (words, tags) in enumerate(rows, start=1)
        ]

    @cached_property
    def _split(self) -> tuple[str, Mapping[str, Path]]:
        """What is tested on, and its files by language (none: from the Hub)."""
        if self.options.data is None:
            return self.options.split or SPLITS[0], {}
        folder = folder_of(self.options.data)
        split, found = first_split(
            self.options.split, SPLITS, lambda split: self._in(folder, split)
        )
        if not found:
            raise MissingDataError(
                f"{folder}: no {self.info.name} {split} files",
                f"give the folder of {split}-XX.tsv or XX_*-ud-{split}.conllu with --data, plain or gz",
            )
        return split, found

    def _in(self, folder: Path, split: str) -> dict[str, Path]:
        pattern = re.compile(rf"{split}-([a-z]{{2,3}})\.tsv|([a-z]{{2,3}})_\w+-ud-{split}\.conllu")
        return by_language((folder / name for name in ("", *self.folders)), pattern)

    @cached_property
    def _training(self) -> tuple[list[Example], list[Example]]:
        examples = _examples(self._trained())
        source = self.options.source
        if source in self._there:
            trained = {_words(example) for example in examples}
            tested = [_words(example) for example in self.examples(source)]
            self._seen = sum(words in trained for words in tested)
            # Short ones may well be written twice; most of a set are not.
            if 2 * self._seen > len(tested):
                raise DataError(
                    f"{self._seen:,} of the {len(tested):,} {source} {self._split[0]} sentences are trained on",
                    "train on another file",
                )
        training, development = carve(
            examples, lambda example: example.cluster, self.options.train_limit
        )
        everything = (e for language in self._there for e in self.examples(language))
        more = further(self.options, lambda path: _examples(self._read(path)), everything, _words)
        return [*training, *more], development

    def _trained(self) -> list[Tagged]:
        if self.options.train is not None:
            return self._read(Path(self.options.train).expanduser())
        if self.options.data is None:
            return self._from_hub(self.options.source, "train")
        folder = folder_of(self.options.data)
        names = [name.format(self.options.source) for name in self.train_names]
        for place in ("", *self.train_folders):
            for name in names:
                if path := existing(folder / place / name):
                    return self._read(path)
        raise MissingDataError(
            f"{folder}: no training file in {self.options.source}",
            f"give a token<TAB>tag file with --train, or train-{self.options.source}.tsv in --data",
        )

    def _read(self, path: Path) -> list[Tagged]:
        return read_tagged(path, self.tags.__contains__)


def _words(example: Example) -> tuple[str, ...]:
    return tuple(example.fields["words"])


def _examples(sentences: Sequence[Tagged]) -> list[Example]:
    """Examples whose id and cluster are the sentence's name: parallel sets have the same in every language."""
    return [
        Example(own.name, own.name, {"words": list(own.words), "tags": list(own.tags)})
        for own in sentences
    ]
