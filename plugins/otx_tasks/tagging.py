"""What tasks share that tag each word: one linear map on a word's first sub-word, learnt in English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from otx.contracts import Encoder
from otx.errors import DataError
from otx.types import Encoded, Example, Loss, Problem, Score, TaskInfo, TokenBatch, TokenRow
from otx_tasks.carve import carve
from otx_tasks.files import digest, existing, folder_of, plain_name
from otx_tasks.heads import linear
from otx_tasks.options import TaggingOptions, hyperparameters
from otx_tasks.tagged_files import Tagged, read_tagged

IGNORED = -100
SPLITS = ("test", "dev")


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


class TagHead(nn.Module):
    """Tag logits ``[B, T, C]``: dropout and one linear map of each sub-word (XTREME's run_tag)."""

    def __init__(self, dimension: int, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out = linear(dimension, classes)

    def forward(self, encoded: Encoded) -> Tensor:
        """``[B, T, C]`` from the last layer's states."""
        logits: Tensor = self.out(self.dropout(encoded.tokens[-1]))
        return logits


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
    head_kind = "token-classification"
    floor_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: TaggingOptions) -> None:
        self.options = options
        self._examples: dict[str, list[Example]] = {}
        self._seen = 0

    def languages(self) -> list[str]:
        """The languages there are test files for, English first."""
        return sorted(self._files, key=lambda language: (language != "en", language))

    def examples(self, language: str) -> list[Example]:
        """The sentences of a language, with fields ``words`` and ``tags``. Raises DataError if there are none."""
        if language not in self._files:
            raise DataError(
                f"{self.info.name}: no {self.options.split} file in {language}",
                f"there are {', '.join(self.languages())}",
            )
        if language not in self._examples:
            self._examples[language] = _examples(self._read(self._files[language]))
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
        known = self._seen if language == "en" else 0
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
        return digest([*self._training[0], *self._training[1]], hyperparameters(self.options))

    def carried(self, head: nn.Module) -> nn.Module | None:
        """None: a checkpoint's own tagging head is not read."""
        return None

    def head(self, dimension: int) -> nn.Module:
        """A fresh linear map with a class a tag."""
        return TagHead(dimension, len(self.tags))

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

    def floors(self, language: str) -> dict[str, list[Score]]:
        """No baseline without an encoder, unless a subclass has one."""
        return {}

    def _feature(self, example: Example, row: TokenRow) -> TagFeature:
        first: dict[int, int] = {}
        for place, word in enumerate(row.word_index):
            if word >= 0:
                first.setdefault(word, place)
        words = sorted(first)
        tags = [self.tags.index(example.fields["tags"][word]) for word in words]
        firsts = [first[word] for word in words]
        return TagFeature(example.id, row, words, firsts, tags, len(example.fields["words"]))

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Test files by language."""
        if self.options.data is None:
            raise DataError(f"{self.info.name} needs files", "give their folder with --data")
        folder = folder_of(self.options.data)
        pattern = re.compile(
            rf"{self.options.split}-([a-z]{{2,3}})\.tsv|([a-z]{{2,3}})_\w+-ud-{self.options.split}\.conllu"
        )
        for place in (folder / name for name in ("", *self.folders)):
            files = sorted(place.iterdir(), reverse=True) if place.is_dir() else []
            matches = ((pattern.fullmatch(plain_name(path)), path) for path in files)
            found = {match[1] or match[2]: path for match, path in matches if match}
            if found:
                return found
        wanted = f"{self.options.split}-XX.tsv or XX_*-ud-{self.options.split}.conllu"
        raise DataError(
            f"{folder}: no {self.info.name} {self.options.split} files",
            f"give the folder of {wanted} with --data, plain or gz",
        )

    @cached_property
    def _training(self) -> tuple[list[Example], list[Example]]:
        examples = _examples(self._read(self._train_file()))
        if "en" in self._files:
            trained = {tuple(example.fields["words"]) for example in examples}
            tested = [tuple(example.fields["words"]) for example in self.examples("en")]
            self._seen = sum(words in trained for words in tested)
            # Short ones may well be written twice; most of a set are not.
            if 2 * self._seen > len(tested):
                raise DataError(
                    f"{self._seen:,} of the {len(tested):,} English {self.options.split} sentences are trained on",
                    "train on another file",
                )
        return carve(examples, lambda example: example.cluster, self.options.train_limit)

    def _train_file(self) -> Path:
        if self.options.train is not None:
            return Path(self.options.train).expanduser()
        folder = folder_of(self.options.data or "")
        for name in ("", *self.train_folders):
            if path := existing(folder / name / "train-en.tsv"):
                return path
        raise DataError(
            f"{folder}: no English training file",
            "give a token<TAB>tag file with --train, or train-en.tsv in --data",
        )

    def _read(self, path: Path) -> list[Tagged]:
        return read_tagged(path, self.tags.__contains__)


def _examples(sentences: Sequence[Tagged]) -> list[Example]:
    """Examples whose id and cluster are the sentence's name: parallel sets have the same in every language."""
    return [
        Example(own.name, own.name, {"words": list(own.words), "tags": list(own.tags)})
        for own in sentences
    ]
