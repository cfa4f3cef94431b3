"""What tasks share that give a text, or a pair of texts, one of some classes: learnt in English."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from otx.errors import DataError
from otx.interfaces import Encoder
from otx.types import Example, Loss, Score, TaskInfo, TokenBatch
from otx_tasks.collate import padded
from otx_tasks.heads import ReorderedHead

TEXTS_AT_ONCE = 2048
CHANCE_DEVIATIONS = 2.0
UNKNOWN = -100
"""In place of the number of a class that is not known; the loss leaves it out."""


@dataclass(frozen=True, slots=True)
class TextFeature:
    """A text, or a pair in one sequence: ``ids``, ``types`` and ``special``, all ``[T]``, and the class's number."""

    example: str
    ids: NDArray[np.int32]
    types: NDArray[np.int8]
    special: NDArray[np.bool_]
    label: int | None

    @property
    def length(self) -> int:
        """Sub-words, special tokens included."""
        return len(self.ids)


class Classifier:
    """One class a text, by a head on the first token.

    A subclass says its ``classes`` in order, where its examples come from (with a field ``label``), and the one or two
    texts of each.
    """

    info: ClassVar[TaskInfo]
    head_kind = "sequence-classification"
    feature = TextFeature
    numbers_of_texts: ClassVar[tuple[int, ...]] = (2,)
    """How many texts an example may have."""
    floor_names = ("majority",)

    def __init__(self, options: Any) -> None:
        self.options = options
        # Weak, because a note must not outlive its encoder: one without any head is never brought to ``carried``.
        self._unused: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()

    @property
    def classes(self) -> Sequence[str]:
        """The classes in the order of the head's logits."""
        raise NotImplementedError

    def examples(self, language: str) -> list[Example]:
        """The test examples of a language."""
        raise NotImplementedError

    def texts(self, example: Example) -> tuple[str, ...]:
        """The one text of an example, or its two."""
        raise NotImplementedError

    def fields_of(self, texts: Sequence[str]) -> dict[str, Any]:
        """The fields that ``texts`` reads, of as many texts as ``numbers_of_texts`` allows."""
        raise NotImplementedError

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

    def labels(self) -> Sequence[str]:
        """The classes."""
        return self.classes

    def carried(self, head: nn.Module) -> nn.Module | None:
        """A checkpoint's own classification head with its classes in the task's order.

        None if its ``labels`` are not called so: what its logits mean cannot be known then, and ``notes`` tells so.
        """
        self._unused.clear()
        labels = [str(name) for name in getattr(head, "labels", ())]
        names = [label.casefold() for label in labels]
        wanted = [name.casefold() for name in self.classes]
        if sorted(names) != sorted(wanted):
            self._unused[head] = (
                f"the checkpoint's own head was not used: its labels are {', '.join(labels) or 'unnamed'}, "
                f"and {', '.join(self.classes)} are wanted (id2label in config.json)"
            )
            return None
        return ReorderedHead(head, [names.index(name) for name in wanted])

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[TextFeature]:
        """One sequence an example; of a pair too long, sub-words of the longer text are cut off."""
        found: list[TextFeature] = []
        for start in range(0, len(examples), TEXTS_AT_ONCE):
            found += self._tokenised(encoder, examples[start : start + TEXTS_AT_ONCE])
        return found

    def collate(
        self, encoder: Encoder, features: Sequence[TextFeature]
    ) -> tuple[TokenBatch, Tensor]:
        """The padded texts and the numbers of their classes ``[B]``."""
        batch = padded(encoder, [(f.ids, f.types, f.special) for f in features])
        labels = [UNKNOWN if f.label is None else f.label for f in features]
        return batch, torch.tensor(labels, device=batch.ids.device)

    def loss(self, logits: Tensor, labels: Tensor) -> Loss:
        """Mean cross-entropy of ``logits [B, C]``."""
        return Loss(functional.cross_entropy(logits.float(), labels))

    def decode(self, features: Sequence[TextFeature], logits: Sequence[Tensor]) -> dict[str, str]:
        """The class with the highest of an example's ``logits [C]``."""
        return {
            f.example: self.classes[int(row.argmax())]
            for f, row in zip(features, logits, strict=True)
        }

    def score(self, prediction: str, example: Example) -> Score:
        """``correct`` 0 or 1, and ``n`` = 1."""
        correct = float(prediction == example.fields["label"])
        return Score(example.id, example.cluster, {"correct": correct, "n": 1.0})

    def read_line(self, line: str, number: int) -> Example:
        """A text, or two with a tab between them."""
        parts = line.split("\t")
        if not line.strip():
            raise DataError(f"line {number} is empty", "write a text, or two with a tab between")
        if len(parts) not in self.numbers_of_texts:
            wanted = " or ".join(map(str, self.numbers_of_texts))
            raise DataError(
                f"line {number} has {len(parts)} texts",
                f"{self.info.name} wants {wanted}, a tab between two",
            )
        return Example(str(number), str(number), {**self.fields_of(parts), "label": None})

    def count_cut(self, encoder: Encoder, examples: Sequence[Example]) -> list[int]:
        """Count the sub-words of each example that the length limit leaves out."""
        sides = [list(side) for side in zip(*map(self.texts, examples), strict=True)]
        rows = encoder.tokenizer(*sides, truncation=False, verbose=False)["input_ids"]
        limit = min(self.options.max_length, encoder.max_length)
        return [max(0, len(ids) - limit) for ids in rows]

    def write_line(self, prediction: str) -> str:
        """The class."""
        return prediction

    def floors(self, language: str) -> dict[str, list[Score]]:
        """``majority``: the label that is most frequent in this test set, for every example."""
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
