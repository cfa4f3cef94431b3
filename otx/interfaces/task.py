"""The interfaces of probe and transfer tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

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


class Task(Protocol):
    """A test set in several languages, and how a prediction is scored.

    A task is created as ``Target(options)``. Most tasks derive from ``BaseProbeTask`` or ``BaseTransferTask``, which
    implement all but a few members. A task may implement every member itself.

    Some members of the base classes are optional: ``left_out``, and for transfer tasks ``count_truncated``,
    ``training_notes``, ``unused_head_reason`` and ``for_prediction``. A task without them behaves as the base class
    does by default.

    Attributes:
        info: Name, version, metrics, languages and licence.
        options: The options: at least ``data``, a folder or None. A transfer task also has ``epochs``, ``lr``,
            ``batch``, ``warmup`` and ``weight_decay``. Options declare their roles, see ``otx.config.roles``.
    """

    info: TaskInfo
    options: Any

    def languages(self) -> list[str]:
        """Return the languages that have test data, the source language first.

        Raises:
            MissingDataError: If the task finds no files.
        """
        ...

    def examples(self, language: str) -> list[Example]:
        """Return the test examples of a language, each with a unique id.

        Args:
            language: One of ``languages()``.

        Raises:
            DataError: If its files cannot be used. The other languages are evaluated nevertheless.
        """
        ...

    def fingerprint(self, language: str) -> str:
        """Return a hash of everything that is tested in a language.

        Args:
            language: One of ``languages()``.
        """
        ...

    def sentences(self, language: str) -> list[str]:
        """Return the tested sentences, in the form that a bitext might contain them.

        They are looked up in a run's bitext, to report contamination.

        Args:
            language: One of ``languages()``.
        """
        ...

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the sufficient statistics of one prediction, which the metrics sum.

        Args:
            prediction: A value that ``probe`` or ``decode`` returned.
            example: The example that it is for.
        """
        ...

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return what a reader of these scores should know, one line each.

        Examples: truncated sentences, a score at chance level, a guessed index base.

        Args:
            language: One of ``languages()``.
            scores: The score of every example.
        """
        ...


class ProbeTask(Task, Protocol):
    """A task that reads the encoder without training."""

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Return a prediction for every example of a language.

        Args:
            encoder: The encoder, in evaluation mode.
            language: One of ``languages()``.

        Returns:
            Example id to prediction, as JSON can hold it.
        """
        ...


class TransferTask(Task, Protocol):
    """A task that is learnt in a source language and then predicted in every language.

    Attributes:
        head_kind: Kind of the head, see ``Encoder.fresh_head``.
        baseline_names: Names of the baselines without an encoder.
        feature: Class of the features: a frozen dataclass of texts, numbers, lists and arrays, because features are
            cached on disk.
    """

    head_kind: str
    baseline_names: tuple[str, ...]
    feature: type[Any]

    def problems(self) -> list[Problem]:
        """Return every refused row or answer of the files read so far."""
        ...

    def carried(self, head: nn.Module) -> nn.Module | None:
        """Return a head of the checkpoint with its outputs in the order of ``labels``.

        Args:
            head: The checkpoint's head, see ``Encoder.carried_head``.

        Returns:
            The head to predict with; None if it does not fit the task.
        """
        ...

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """Return training and development examples of the source language.

        Both are disjoint from every test set.

        Args:
            seed: Seed of the head.

        Raises:
            DataError: If the training files cannot be used, or contain tested examples.
        """
        ...

    def training_fingerprint(self) -> str:
        """Return a hash of the training and development data and of the options."""
        ...

    def labels(self) -> Sequence[str]:
        """Return the classes of a fresh head in the order of its logits; none for spans."""
        ...

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[Any]:
        """Return what goes through the encoder; an example may give several features.

        Args:
            encoder: The encoder, for its tokenizer and length limit.
            examples: Training or test examples.

        Returns:
            Instances of ``feature``. Each has ``length`` (sub-words) and ``label`` (None: nothing can be learnt).
        """
        ...

    def collate(self, encoder: Encoder, features: Sequence[Any]) -> tuple[TokenBatch, Any]:
        """Return a padded batch and its labels.

        Args:
            encoder: The encoder, on whose device the batch is created.
            features: Some features.

        Returns:
            The batch, and the labels that ``loss`` takes (None if there are none).
        """
        ...

    def loss(self, logits: Tensor, labels: Any) -> Loss:
        """Return the training loss of a batch.

        Args:
            logits: Output of the head.
            labels: Labels that ``collate`` returned.
        """
        ...

    def decode(self, features: Sequence[Any], logits: Sequence[Tensor]) -> dict[str, Any]:
        """Return the predictions of all examples that the features belong to.

        Args:
            features: Every feature of these examples.
            logits: Output of the head for each feature, without padding.

        Returns:
            Example id to prediction, as JSON can hold it.
        """
        ...

    def read_line(self, line: str, number: int) -> Example:
        """Parse a line of text into an example without an answer.

        Args:
            line: The line, without its line break.
            number: Line number from 1, which becomes the id.

        Raises:
            DataError: If the line has another layout.
        """
        ...

    def write_line(self, prediction: Any) -> str:
        """Return a prediction as one line of text.

        Args:
            prediction: A value that ``decode`` returned.
        """
        ...

    def baselines(self, language: str) -> dict[str, list[Score]]:
        """Return the scores of the baselines without an encoder.

        Examples: the majority class, the clause most similar to the question.

        Args:
            language: One of ``languages()``.

        Returns:
            Name, as in ``baseline_names``, to the score of every example.
        """
        ...
