"""XNLI: inference learnt on English sentence pairs, classified in each language."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from otx.contracts import Encoder
from otx.errors import DataError
from otx.types import Example, Loss, Problem, Score, TokenBatch
from otx_tasks import infos
from otx_tasks.carve import carve
from otx_tasks.files import digest, plain_name, refuse_duplicates
from otx_tasks.heads import FirstTokenHead, ReorderedHead
from otx_tasks.nli_examples import parallel_examples, training_examples
from otx_tasks.nli_files import LABELS, read_nli
from otx_tasks.options import XnliOptions, hyperparameters
from otx_tasks.padding import padded
from otx_tasks.xnli_folder import XnliFolder, train_files
from otx_tasks.xnli_hub import XnliHub, train_rows

TEXTS_AT_ONCE = 2048
CHANCE_DEVIATIONS = 2.0


@dataclass(frozen=True, slots=True)
class PairFeature:
    """A premise and a hypothesis in one sequence: ``ids``, ``types`` and ``special``, all ``[T]``, and the label."""

    example: str
    ids: NDArray[np.int32]
    types: NDArray[np.int8]
    special: NDArray[np.bool_]
    label: int

    @property
    def length(self) -> int:
        """Sub-words, special tokens included."""
        return len(self.ids)


class XnliTask:
    """Conneau et al. 2018; fine-tuning as XTREME does it (Hu et al. 2020). Labels in the order of LABELS."""

    info = infos.XNLI
    head_kind = "sequence-classification"
    floor_names = ("majority",)
    labels = LABELS

    def __init__(self, options: XnliOptions) -> None:
        self.options = options
        self._examples: dict[str, list[Example]] = {}
        self._refused: list[Problem] = []
        # Weak, because a note must not outlive its encoder: one without any head is never brought to ``carried``.
        self._unused: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()

    def languages(self) -> list[str]:
        """The languages of the folder's files (or XNLI's 15 on the Hub), English first."""
        source = self.info.source_language
        return sorted(self._source.languages(), key=lambda language: (language != source, language))

    def examples(self, language: str) -> list[Example]:
        """The pairs of a language, with fields ``premise``, ``hypothesis``, ``label``, checked against English's."""
        if language not in self._examples:
            source = self._source
            pivot = self.info.source_language
            rows = source.rows(language)
            original = source.rows(pivot) if pivot in source.languages() else rows
            where = f"xnli {self.options.split} {language}"
            self._examples[language] = parallel_examples(rows, original, source.names(), where)
        return self._examples[language]

    def fingerprint(self, language: str) -> str:
        """A hash of pairs, labels and clusters."""
        return digest(self.examples(language))

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """English pairs; the pairs on 5 % of the premises are for development, the same for every seed.

        With several files a limit takes a mix of them. Raises DataError if a pair of the English test set is among
        them, or if a label does not occur.
        """
        return self._training

    def training_fingerprint(self) -> str:
        """A hash of the training and development pairs and of every option but the paths."""
        return digest([*self._training[0], *self._training[1]], hyperparameters(self.options))

    def problems(self) -> list[Problem]:
        """Every training row that was refused, once training examples were asked for."""
        return list(self._refused)

    def sentences(self, language: str) -> list[str]:
        """Every different premise and hypothesis."""
        sides = ("premise", "hypothesis")
        return sorted({e.fields[side] for e in self.examples(language) for side in sides})

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """What a reader of the scores should know: an accuracy no better than chance.

        And, once after each ``carried``, why the checkpoint's own head was not used.
        """
        lines = [*self._unused.values()]
        self._unused.clear()
        accuracy = sum(score.statistics["correct"] for score in scores) / max(1, len(scores))
        majority = max(Counter(e.fields["label"] for e in self.examples(language)).values())
        chance = majority / len(self.examples(language))
        if accuracy <= chance + CHANCE_DEVIATIONS * math.sqrt(
            chance * (1 - chance) / max(1, len(scores))
        ):
            lines.append(f"{accuracy:.1%} is no better than the majority class ({chance:.1%})")
        return lines

    def head(self, dimension: int) -> nn.Module:
        """RoBERTa's classification head on the first token, three classes."""
        return FirstTokenHead(dimension, len(LABELS))

    def carried(self, head: nn.Module) -> nn.Module | None:
        """A checkpoint's own classification head with its classes in the order of LABELS.

        None if its ``labels`` are not called so: what its logits mean cannot be known then, and ``notes`` tells so.
        """
        self._unused.clear()
        labels = [str(name) for name in getattr(head, "labels", ())]
        names = [label.lower() for label in labels]
        if sorted(names) != sorted(LABELS):
            self._unused[head] = (
                f"the checkpoint's own head was not used: its labels are {', '.join(labels) or 'unnamed'}, "
                f"and {', '.join(LABELS)} are wanted (id2label in config.json)"
            )
            return None
        return ReorderedHead(head, [names.index(label) for label in LABELS])

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[PairFeature]:
        """One sequence a pair; of a pair too long, sub-words of the longer sentence are cut off."""
        found: list[PairFeature] = []
        for start in range(0, len(examples), TEXTS_AT_ONCE):
            found += self._tokenised(encoder, examples[start : start + TEXTS_AT_ONCE])
        return found

    def collate(
        self, encoder: Encoder, features: Sequence[PairFeature]
    ) -> tuple[TokenBatch, Tensor]:
        """The padded pairs and their labels ``[B]``."""
        batch = padded(encoder, [(f.ids, f.types, f.special) for f in features])
        return batch, torch.tensor([f.label for f in features], device=batch.ids.device)

    def loss(self, logits: Tensor, labels: Tensor) -> Loss:
        """Mean cross-entropy of ``logits [B, 3]``."""
        return Loss(functional.cross_entropy(logits.float(), labels))

    def decode(self, features: Sequence[PairFeature], logits: Sequence[Tensor]) -> dict[str, str]:
        """The label with the highest of its pair's ``logits [3]``."""
        return {
            f.example: LABELS[int(row.argmax())] for f, row in zip(features, logits, strict=True)
        }

    def score(self, prediction: str, example: Example) -> Score:
        """``correct`` 0 or 1, and ``n`` = 1."""
        correct = float(prediction == example.fields["label"])
        return Score(example.id, example.cluster, {"correct": correct, "n": 1.0})

    def floors(self, language: str) -> dict[str, list[Score]]:
        """``majority``: the label that is most frequent in this test set, for every pair."""
        examples = self.examples(language)
        counts = Counter(example.fields["label"] for example in examples)
        guess = max(LABELS, key=lambda label: counts[label])
        return {"majority": [self.score(guess, example) for example in examples]}

    @cached_property
    def _source(self) -> XnliFolder | XnliHub:
        data, split = self.options.data, self.options.split
        return XnliHub(split) if data is None else XnliFolder(data, split)

    @cached_property
    def _training(self) -> tuple[list[Example], list[Example]]:
        examples = self._training_examples()
        refuse_duplicates(examples, "xnli training")
        missing = {*LABELS} - {example.fields["label"] for example in examples}
        if missing:
            raise DataError(
                f"xnli: no training pair has the label {', '.join(sorted(missing))}",
                f"labels are {', '.join(LABELS)}; look at the training file and --train-limit",
            )
        self._refuse_leak(examples)
        return carve(examples, lambda example: example.cluster, self.options.train_limit)

    def _training_examples(self) -> list[Example]:
        options, language = self.options, self.info.source_language
        if options.train is None and options.data is None:
            return training_examples(train_rows(), "train", language)
        paths = (
            [Path(options.train).expanduser()] if options.train else train_files(options.data or "")
        )
        examples: list[Example] = []
        for path in paths:
            file = read_nli(path)
            self._refused += file.problems
            examples += training_examples(file.rows, plain_name(path), language)
        return examples

    def _refuse_leak(self, examples: Sequence[Example]) -> None:
        source = self.info.source_language
        if source not in self.languages():
            return
        tested = {_pair(example) for example in self.examples(source)}
        leaked = [example.id for example in examples if _pair(example) in tested]
        if leaked:
            raise DataError(
                f"{len(leaked)} training pairs are in XNLI's {self.options.split} set, the first is {leaked[0]}",
                "train on other pairs",
            )

    def _tokenised(self, encoder: Encoder, examples: Sequence[Example]) -> list[PairFeature]:
        rows = encoder.tokenizer(
            [e.fields["premise"] for e in examples],
            [e.fields["hypothesis"] for e in examples],
            truncation="longest_first",
            max_length=min(self.options.max_length, encoder.max_length),
            return_token_type_ids=True,
            return_special_tokens_mask=True,
        )
        columns = (rows["input_ids"], rows["token_type_ids"], rows["special_tokens_mask"])
        return [
            PairFeature(
                example.id,
                np.array(ids, np.int32),
                np.array(types, np.int8),
                np.array(special, np.bool_),
                LABELS.index(example.fields["label"]),
            )
            for example, ids, types, special in zip(examples, *columns, strict=True)
        ]


def _pair(example: Example) -> tuple[str, str]:
    return example.fields["premise"], example.fields["hypothesis"]
