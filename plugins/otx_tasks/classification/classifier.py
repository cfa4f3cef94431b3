"""Base class of tasks that classify a text or a pair of texts, learnt in English."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from otx.errors import DataError
from otx.interfaces import Encoder
from otx.types import Example, Score, TokenBatch
from otx_tasks.classification.options import ClassificationOptions, XnliOptions
from otx_tasks.collate import padded
from otx_tasks.dataset_task import DatasetTask
from otx_tasks.heads import ReorderedHead

TEXTS_AT_ONCE = 2048
CHANCE_DEVIATIONS = 2.0
UNKNOWN = -100
"""Class number of an example whose class is not known; the loss leaves it out."""


@dataclass(frozen=True, slots=True)
class TextFeature:
    """A text, or a pair of texts in one sequence.

    Attributes:
        example: Id of the example.
        ids: Sub-words ``[T]``.
        types: Type ids ``[T]``.
        special: Mask ``[T]`` of the special tokens.
        label: Number of the class; None if it is not known.
    """

    example: str
    ids: NDArray[np.int32]
    types: NDArray[np.int8]
    special: NDArray[np.bool_]
    label: int | None

    @property
    def length(self) -> int:
        """Number of sub-words, special tokens included."""
        return len(self.ids)


class Classifier(DatasetTask):
    """A task that predicts one class per text, by a head on the first token.

    A subclass has ``classes``, in the order of the head's logits, and implements ``texts`` and ``fields_of``, and what
    ``DatasetTask`` asks for. Its examples have a field ``label``.

    Args:
        options: Options of the task.

    Attributes:
        numbers_of_texts: Possible numbers of texts of an example.
    """

    options: ClassificationOptions | XnliOptions
    head_kind = "sequence-classification"
    feature = TextFeature
    baseline_names = ("majority",)
    numbers_of_texts: ClassVar[tuple[int, ...]] = (2,)

    @property
    @abstractmethod
    def classes(self) -> Sequence[str]:
        """The classes in the order of the head's logits."""

    @abstractmethod
    def texts(self, example: Example) -> tuple[str, ...]:
        """Return the one or two texts of an example.

        Args:
            example: The example.
        """

    @abstractmethod
    def fields_of(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the fields that ``texts`` reads; the inverse of ``texts``.

        Args:
            texts: One or two texts.
        """

    def content(self, example: Example) -> Hashable:
        """Return the texts."""
        return self.texts(example)

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return a warning if the accuracy is no better than chance, and the split."""
        lines = []
        accuracy = sum(score.statistics["correct"] for score in scores) / max(1, len(scores))
        majority = max(Counter(e.fields["label"] for e in self.examples(language)).values())
        chance = majority / len(self.examples(language))
        deviation = math.sqrt(chance * (1 - chance) / max(1, len(scores)))
        if accuracy <= chance + CHANCE_DEVIATIONS * deviation:
            lines.append(f"{accuracy:.1%} is no better than the majority class ({chance:.1%})")
        return lines + super().notes(language, scores)

    def labels(self) -> Sequence[str]:
        """Return the classes."""
        return self.classes

    def carried(self, head: nn.Module) -> nn.Module | None:
        """Return a checkpoint's own head with its classes in the task's order.

        None if its ``labels`` have other names: the meaning of its logits is then unknown.
        """
        names = [label.casefold() for label in _labels_of(head)]
        classes = [name.casefold() for name in self.classes]
        if sorted(names) != sorted(classes):
            return None
        return ReorderedHead(head, [names.index(name) for name in classes])

    def unused_head_reason(self, head: nn.Module) -> str | None:
        """Explain why a checkpoint's own head is not used; None if it is."""
        if self.carried(head) is not None:
            return None
        return (
            f"the checkpoint's own head is not used: its labels are {', '.join(_labels_of(head)) or 'unnamed'}, "
            f"not {', '.join(self.classes)} (id2label in config.json)"
        )

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[TextFeature]:
        """Return one sequence per example; the longer text of a pair is cut first."""
        features: list[TextFeature] = []
        for start in range(0, len(examples), TEXTS_AT_ONCE):
            features += self._tokenised(encoder, examples[start : start + TEXTS_AT_ONCE])
        return features

    def collate(
        self, encoder: Encoder, features: Sequence[TextFeature]
    ) -> tuple[TokenBatch, Tensor]:
        """Return the padded texts and their class numbers ``[B]``."""
        batch = padded(encoder, [(f.ids, f.types, f.special) for f in features])
        labels = [UNKNOWN if f.label is None else f.label for f in features]
        return batch, torch.tensor(labels, device=batch.ids.device)

    def decode(self, features: Sequence[TextFeature], logits: Sequence[Tensor]) -> dict[str, str]:
        """Return the class with the highest of an example's ``logits [C]``."""
        return {
            f.example: self.classes[int(row.argmax())]
            for f, row in zip(features, logits, strict=True)
        }

    def score(self, prediction: str, example: Example) -> Score:
        """Return ``correct``, 0 or 1, and ``n`` = 1."""
        correct = float(prediction == example.fields["label"])
        return Score(example.id, example.cluster, {"correct": correct, "n": 1.0})

    def read_line(self, line: str, number: int) -> Example:
        """Parse one text, or two with a tab between them."""
        parts = line.split("\t")
        if not line.strip():
            raise DataError(f"line {number} is empty", "write a text, or two with a tab between")
        if len(parts) not in self.numbers_of_texts:
            numbers = " or ".join(map(str, self.numbers_of_texts))
            raise DataError(
                f"line {number} has {len(parts)} texts",
                f"{self.info.name} needs {numbers}, with a tab between two",
            )
        return Example(str(number), str(number), {**self.fields_of(parts), "label": None})

    def count_truncated(self, encoder: Encoder, examples: Sequence[Example]) -> list[int]:
        """Count the sub-words of each example beyond the length limit."""
        sides = [list(side) for side in zip(*map(self.texts, examples), strict=True)]
        rows = encoder.tokenizer(*sides, truncation=False, verbose=False)["input_ids"]
        limit = min(self.options.max_length, encoder.max_length)
        return [max(0, len(ids) - limit) for ids in rows]

    def write_line(self, prediction: str) -> str:
        """Return the class."""
        return prediction

    def baselines(self, language: str) -> dict[str, list[Score]]:
        """Score ``majority``: the most frequent class of this test set, for every example."""
        examples = self.examples(language)
        counts = Counter(example.fields["label"] for example in examples)
        guess = max(self.classes, key=lambda label: counts[label])
        return {"majority": [self.score(guess, example) for example in examples]}

    def _tokenised(self, encoder: Encoder, examples: Sequence[Example]) -> list[TextFeature]:
        sides = [list(side) for side in zip(*map(self.texts, examples), strict=True)]
        rows = encoder.tokenizer(
            *sides,
            truncation="longest_first",
            max_length=min(self.options.max_length, encoder.max_length),
            return_token_type_ids=True,
            return_special_tokens_mask=True,
        )
        columns = (rows["input_ids"], rows["token_type_ids"], rows["special_tokens_mask"])
        return [
            TextFeature(
                example.id,
                np.array(ids, np.int32),
                np.array(types, np.int8),
                np.array(special, np.bool_),
                self.classes.index(label) if label is not None else None,
            )
            for example, label, ids, types, special in zip(
                examples, (e.fields["label"] for e in examples), *columns, strict=True
            )
        ]


def _labels_of(head: nn.Module) -> list[str]:
    return [str(name) for name in getattr(head, "labels", ())]
