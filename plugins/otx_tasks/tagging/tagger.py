"""Base class of tasks that tag each word, by one linear map on its first sub-word, learnt in English."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from otx.errors import DataError, MissingDataError
from otx.files.reading import find_plain_or_gz
from otx.interfaces import Encoder
from otx.types import Example, Score, TokenBatch, TokenRow
from otx_tasks.dataset_task import DatasetTask
from otx_tasks.files import by_language, folder_of
from otx_tasks.heads import ReorderedHead
from otx_tasks.hub import HUB_SPLITS, tagged_rows
from otx_tasks.tagging.options import TaggingOptions
from otx_tasks.tagging.tagged_files import Tagged, read_tagged

IGNORED = -100


@dataclass(frozen=True, slots=True)
class TagFeature:
    """A sentence's sub-words and tags.

    Attributes:
        example: Id of the example.
        row: The sub-words, ``T`` of them.
        words: Numbers ``[W]`` of the words with a sub-word within the length limit.
        firsts: Position ``[W]`` of each word's first sub-word.
        tags: Number ``[W]`` of each word's tag; -100 if it is not known.
        total: Number of words of the sentence.
    """

    example: str
    row: TokenRow
    words: list[int]
    firsts: list[int]
    tags: list[int]
    total: int

    @property
    def length(self) -> int:
        """Number of sub-words, special tokens included."""
        return len(self.row.ids)

    @property
    def label(self) -> list[int] | None:
        """The tags; None if no word is left to learn from."""
        return self.tags or None


class TaggingTask(DatasetTask):
    """A task that predicts a word's tag from its first sub-word; a word beyond the length limit gets ``fallback``.

    A subclass has the attributes below and implements ``score``.

    Args:
        options: Options of the task.

    Attributes:
        tags: The tags in the order of the head's logits.
        fallback: Tag of words beyond the length limit.
        folders: Sub-folders that are searched for test files.
        train_folders: Sub-folders that are searched for the training file.
        train_names: Possible names of the training file, with ``{0}`` for the language.
        hub_names: Configuration of each language in XTREME's copy on the Hub.
        hub_column: Column of the tags on the Hub.
    """

    options: TaggingOptions
    head_kind = "token-classification"
    feature = TagFeature
    leak_remedy = "train on another file"
    tags: ClassVar[tuple[str, ...]]
    fallback: ClassVar[str]
    folders: ClassVar[tuple[str, ...]]
    train_folders: ClassVar[tuple[str, ...]]
    train_names: ClassVar[tuple[str, ...]] = ("train-{0}.tsv",)
    hub_names: ClassVar[Mapping[str, str]]
    hub_column: ClassVar[str]

    def hub_languages(self) -> Collection[str]:
        """Return the languages of XTREME's copy."""
        return self.hub_names

    def find_test_files(self, folder: Path, split: str) -> Mapping[str, Path]:
        """Find ``test-XX.tsv`` or ``XX_*-ud-test.conllu``, also in ``folders``."""
        pattern = re.compile(rf"{split}-([a-z]{{2,3}})\.tsv|([a-z]{{2,3}})_\w+-ud-{split}\.conllu")
        return by_language((folder / name for name in ("", *self.folders)), pattern)

    def missing_files(self, folder: Path, split: str) -> MissingDataError:
        """Return the error for a folder without test files."""
        return MissingDataError(
            f"{folder}: no {self.info.name} {split} files",
            f"give the folder of {split}-XX.tsv or XX_*-ud-{split}.conllu with --data, plain or gz",
        )

    def read_file(self, path: Path) -> list[Tagged]:
        """Read the sentences of a file.

        Args:
            path: The file.
        """
        return read_tagged(path, self.tags.__contains__)

    def read_test(self, language: str) -> list[Example]:
        """Read the sentences of a language, with fields ``words`` and ``tags``."""
        if self.options.data is None:
            return _examples(self._from_hub(language, HUB_SPLITS[self.split_name]))
        return _examples(self.read_file(self.test_split.files[language]))

    def read_training(self) -> list[Example]:
        """Return the training sentences of the source language."""
        return self._training_examples

    def read_extra(self, path: Path) -> list[Example]:
        """Read a file of the option ``also``."""
        return _examples(self.read_file(path))

    def content(self, example: Example) -> Hashable:
        """Return the words."""
        return tuple(example.fields["words"])

    def check_leak(self, training: Sequence[Example], tested: Sequence[Example]) -> None:
        """Raise DataError if more than half of the test sentences are trained on.

        Short sentences may well be written twice; most of a set are not.
        """
        seen = self._count_seen(training, tested)
        if 2 * seen > len(tested):
            raise DataError(
                f"{seen:,} of the {len(tested):,} {self.options.source} {self.split_name} sentences of "
                f"{self.info.name} are trained on",
                self.leak_remedy,
            )

    def training_notes(self) -> list[str]:
        """Return how many test sentences of the source language are trained on."""
        source = self.options.source
        if source not in self.test_languages():
            return []
        tested = self.examples(source)
        seen = self._count_seen(self._training_examples, tested)
        if not seen:
            return []
        return [f"{seen:,} of {len(tested):,} {source} test sentences are in the training file too"]

    def sentences(self, language: str) -> list[str]:
        """Return every sentence, its words joined."""
        return [" ".join(example.fields["words"]) for example in self.examples(language)]

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return how many words are beyond the length limit, and which split is tested."""
        cut = int(sum(score.statistics["cut"] for score in scores))
        text = f"{cut:,} words are beyond the length limit and count as {self.fallback}"
        return ([text] if cut else []) + super().notes(language, scores)

    def carried(self, head: nn.Module) -> nn.Module | None:
        """Return a checkpoint's own head with its tags in the task's order.

        None if it has other tags.
        """
        names = [str(name) for name in getattr(head, "labels", ())]
        if sorted(names) != sorted(self.tags):
            return None
        return ReorderedHead(head, [names.index(tag) for tag in self.tags])

    def labels(self) -> Sequence[str]:
        """Return the tags."""
        return self.tags

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[TagFeature]:
        """Return one sequence per sentence, cut between words at the length limit."""
        texts = [" ".join(example.fields["words"]) for example in examples]
        rows = encoder.tokenise(texts, pretokenised=True, max_length=self.options.max_length)
        return [self._feature(*pair) for pair in zip(examples, rows, strict=True)]

    def collate(
        self, encoder: Encoder, features: Sequence[TagFeature]
    ) -> tuple[TokenBatch, Tensor]:
        """Return the padded sentences and their tag numbers ``[B, T]``.

        A word's tag is at its first sub-word; other positions are -100.
        """
        batch = encoder.collate([feature.row for feature in features])
        labels = torch.full(batch.ids.shape, IGNORED)
        for row, feature in zip(labels, features, strict=True):
            row[feature.firsts] = torch.tensor(feature.tags, dtype=torch.long)
        return batch, labels.to(batch.ids.device)

    def decode(
        self, features: Sequence[TagFeature], logits: Sequence[Tensor]
    ) -> dict[str, dict[str, Any]]:
        """Return the most likely ``tags`` of the words of each example.

        ``cut`` counts the words beyond the length limit.
        """
        predictions = {}
        for feature, row in zip(features, logits, strict=True):
            tags = [self.fallback] * feature.total
            for word, first in zip(feature.words, feature.firsts, strict=True):
                tags[word] = self.tags[int(row[first].argmax())]
            predictions[feature.example] = {"tags": tags, "cut": feature.total - len(feature.words)}
        return predictions

    def read_line(self, line: str, number: int) -> Example:
        """Parse words with white space between them."""
        words = line.split()
        if not words:
            raise DataError(
                f"line {number} is empty", "write a sentence with spaces between its words"
            )
        return Example(str(number), str(number), {"words": words, "tags": None})

    def count_truncated(self, encoder: Encoder, examples: Sequence[Example]) -> list[int]:
        """Count the words of each example beyond the length limit."""
        features = self.features(encoder, examples)
        return [feature.total - len(feature.words) for feature in features]

    def write_line(self, prediction: dict[str, Any]) -> str:
        """Return the tags in the order of the words."""
        return " ".join(prediction["tags"])

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

    def _count_seen(self, training: Sequence[Example], tested: Sequence[Example]) -> int:
        """Count the test sentences that are training sentences."""
        trained = {self.content(example) for example in training}
        return sum(self.content(example) in trained for example in tested)

    def _from_hub(self, language: str, split: str) -> list[Tagged]:
        remedy = f"give the folder of {self.info.name}'s files with --data"
        rows = tagged_rows(self.hub_names[language], split, self.hub_column, remedy)
        return [
            Tagged(f"row-{number}", tuple(words), tuple(tags))
            for number, (words, tags) in enumerate(rows, start=1)
        ]

    @cached_property
    def _training_examples(self) -> list[Example]:
        return _examples(self._training_sentences())

    def _training_sentences(self) -> list[Tagged]:
        if self.options.train is not None:
            return self.read_file(Path(self.options.train).expanduser())
        if self.options.data is None:
            return self._from_hub(self.options.source, "train")
        folder = folder_of(self.options.data)
        names = [name.format(self.options.source) for name in self.train_names]
        for place in ("", *self.train_folders):
            for name in names:
                if path := find_plain_or_gz(folder / place / name):
                    return self.read_file(path)
        raise MissingDataError(
            f"{folder}: no training file in {self.options.source}",
            f"give a token<TAB>tag file with --train, or train-{self.options.source}.tsv in --data",
        )


def _examples(sentences: Sequence[Tagged]) -> list[Example]:
    """Build examples whose id and cluster are the sentence's name: parallel sets share it between languages."""
    return [
        Example(one.name, one.name, {"words": list(one.words), "tags": list(one.tags)})
        for one in sentences
    ]
