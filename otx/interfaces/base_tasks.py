"""Base classes of tasks: defaults for everything that follows from the examples."""

from __future__ import annotations

import json
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from otx.config.roles import keyed_options
from otx.errors import UsageError
from otx.files.example_digest import digest
from otx.interfaces.encoder import Encoder
from otx.types import (
    Example,
    Loss,
    Problem,
    Score,
    TaskInfo,
    TokenBatch,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


class BaseTask(metaclass=ABCMeta):
    """Defaults that probe and transfer tasks share; derive from ``BaseProbeTask`` or ``BaseTransferTask``.

    Args:
        options: An instance of the options class that the task is registered with.

    Attributes:
        text_fields: Fields of an example that hold tested text, each a string or a list of strings. They are looked
            up in a run's bitext to report contamination.
    """

    info: ClassVar[TaskInfo]
    text_fields: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, options: Any = None) -> None:
        self.options = options
        self._examples: dict[str, list[Example]] = {}

    @abstractmethod
    def languages(self) -> list[str]:
        """Return the languages that have test data, the source language first."""

    @abstractmethod
    def load_examples(self, language: str) -> list[Example]:
        """Read the test examples of a language; called once per language.

        Args:
            language: One of ``languages()``.
        """

    @abstractmethod
    def score(self, prediction: Any, example: Example) -> Score:
        """Return the sufficient statistics of one prediction, which the metrics sum.

        Args:
            prediction: What ``probe`` or ``decode`` returned for the example.
            example: The example.
        """

    def examples(self, language: str) -> list[Example]:
        """Return the test examples of a language, read on the first call.

        Args:
            language: One of ``languages()``.
        """
        if language not in self._examples:
            self._examples[language] = self.load_examples(language)
        return self._examples[language]

    def fingerprint(self, language: str) -> str:
        """Return a hash of the test examples of a language.

        Args:
            language: One of ``languages()``.
        """
        return digest(self.examples(language))

    def sentences(self, language: str) -> list[str]:
        """Return every distinct text in the ``text_fields`` of the test examples, sorted.

        Args:
            language: One of ``languages()``.
        """
        texts: set[str] = set()
        for example in self.examples(language):
            for name in self.text_fields:
                value = example.fields.get(name, ())
                texts.update((value,) if isinstance(value, str) else value)
        return sorted(texts)

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return no notes.

        Args:
            language: One of ``languages()``.
            scores: Scores of its examples.
        """
        return []

    def left_out(self, language: str) -> str | None:
        """Describe the parts of a test set that cannot be used, in one line.

        ``otx eval --strict`` refuses a test set with a part that is left out.

        Args:
            language: One of ``languages()``.

        Returns:
            The description; None, the default, if the whole set is used.
        """
        return None


class BaseProbeTask(BaseTask):
    """Base class of a probe task, with defaults for all but four methods.

    A subclass has ``info`` and implements ``languages``, ``load_examples``, ``probe`` and ``score``.

    Example:
        >>> from otx.types import Metric
        >>> class Length(BaseProbeTask):
        ...     info = TaskInfo("length", "1", "probe", (Metric("mean", lambda s: s["words"] / s["n"]),), "CC0")
        ...
        ...     def languages(self):
        ...         return ["en"]
        ...
        ...     def load_examples(self, language):
        ...         return [Example("1", "1", {"text": "a dog barks"})]
        ...
        ...     def probe(self, encoder, language):
        ...         return {e.id: len(e.fields["text"].split()) for e in self.examples(language)}
        ...
        ...     def score(self, prediction, example):
        ...         return Score(example.id, example.cluster, {"words": prediction, "n": 1})
        >>> Length().probe(None, "en"), Length().sentences("en")
        ({'1': 3}, ['a dog barks'])
    """

    @abstractmethod
    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Return a prediction for every example of a language, by example id.

        Args:
            encoder: The encoder, in evaluation mode.
            language: One of ``languages()``.
        """


class BaseTransferTask(BaseTask):
    """Base class of a transfer task, with defaults for all but eight methods.

    A subclass has ``info``, ``head_kind`` and ``feature``, and implements ``languages``, ``load_examples``, ``score``,
    ``load_training``, ``labels``, ``features``, ``collate`` and ``decode``. The default loss is the cross-entropy of
    classes; a task whose ``labels`` are not classes implements ``loss``, too.

    Args:
        options: An instance of the options class that the task is registered with.

    Attributes:
        head_kind: Kind of the head, see ``Encoder.fresh_head``.
        feature: Class of the features: a frozen dataclass of texts, numbers, lists and arrays, because features are
            cached on disk.
        baseline_names: Names of the baselines that ``baselines`` scores.
    """

    head_kind: ClassVar[str]
    feature: ClassVar[type[Any]]
    baseline_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._training: dict[int, tuple[list[Example], list[Example]]] = {}

    @abstractmethod
    def load_training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """Read training and development examples, disjoint from every test set.

        Called once per seed.

        Args:
            seed: Seed of the head.
        """

    @abstractmethod
    def labels(self) -> Sequence[str]:
        """Return the classes of a fresh head in the order of its logits; none for spans."""

    @abstractmethod
    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[Any]:
        """Return what goes through the encoder, as instances of ``feature``.

        Args:
            encoder: The encoder, whose tokenizer is used.
            examples: The examples; one may give several features.
        """

    @abstractmethod
    def collate(self, encoder: Encoder, features: Sequence[Any]) -> tuple[TokenBatch, Any]:
        """Return a padded batch on the encoder's device, and its labels or None.

        Args:
            encoder: The encoder.
            features: Features of ``features``.
        """

    @abstractmethod
    def decode(self, features: Sequence[Any], logits: Sequence[Tensor]) -> dict[str, Any]:
        """Return a prediction for every example, by example id.

        Args:
            features: Every feature of some examples.
            logits: Logits of each feature, without padding.
        """

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """Return training and development examples, read on the first call with a seed.

        Args:
            seed: Seed of the head.
        """
        if seed not in self._training:
            self._training[seed] = self.load_training(seed)
        return self._training[seed]

    def training_fingerprint(self) -> str:
        """Return a hash of the examples of seed 1, and of every option but paths."""
        training, development = self.training(1)
        return digest([*training, *development], keyed_options(self.options))

    def training_notes(self) -> list[str]:
        """Return what a reader should know of the training data, one line each.

        otx shows the notes after each fine-tuning.
        """
        return []

    def problems(self) -> list[Problem]:
        """Return no refused rows."""
        return []

    def loss(self, logits: Tensor, labels: Any) -> Loss:
        """Return the mean cross-entropy of classes.

        Args:
            logits: ``[B, C]`` or ``[B, T, C]``.
            labels: Class numbers ``[B]`` or ``[B, T]``; -100 marks what has no class and does not count.
        """
        from torch.nn import functional

        return Loss(functional.cross_entropy(logits.float().flatten(0, -2), labels.flatten()))

    def carried(self, head: nn.Module) -> nn.Module | None:
        """Return a checkpoint's head if its classes are ``labels`` in the same order.

        Args:
            head: The checkpoint's head.
        """
        names = tuple(map(str, getattr(head, "labels", ())))
        return head if names == tuple(self.labels()) else None

    def unused_head_reason(self, head: nn.Module) -> str | None:
        """Explain why ``carried`` refuses a head of the checkpoint.

        Args:
            head: The checkpoint's head.

        Returns:
            One line; None, the default, if there is nothing to explain.
        """
        return None

    def for_prediction(self, head: nn.Module) -> Self:
        """Return the task that predicts lines of text with a head of the checkpoint.

        A task without files may take its classes from the head.

        Args:
            head: The checkpoint's head.

        Returns:
            A task; this one is not changed.
        """
        return self

    def count_truncated(self, encoder: Encoder, examples: Sequence[Example]) -> list[int]:
        """Count the sub-words, or words, of each example beyond the length limit.

        ``otx predict`` reports them.

        Args:
            encoder: The encoder.
            examples: Examples that ``read_line`` returned.
        """
        return [0] * len(examples)

    def read_line(self, line: str, number: int) -> Example:
        """Refuse a line: a task that predicts lines of text implements this.

        Args:
            line: A line of text.
            number: Its number, from 1.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"{self.info.name} cannot predict lines of text", "evaluate it with otx eval instead"
        )

    def write_line(self, prediction: Any) -> str:
        """Return a text with its white space collapsed, or any other value as JSON.

        Args:
            prediction: What ``decode`` returned for an example.
        """
        if isinstance(prediction, str):
            return " ".join(prediction.split())
        return json.dumps(prediction, ensure_ascii=False)

    def baselines(self, language: str) -> dict[str, list[Score]]:
        """Return no baselines.

        Args:
            language: One of ``languages()``.
        """
        return {}
