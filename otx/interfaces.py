"""What a plugin implements: the protocols of an objective, an encoder, a corpus and a task.

The nouns that they speak of are in ``otx.types``; nothing here imports torch either.
"""

from __future__ import annotations

import json
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from otx.config.roles import keyed_options
from otx.errors import UsageError
from otx.files.example_digest import digest
from otx.types import (
    Encoded,
    EncodedPair,
    Example,
    Links,
    Loss,
    Needs,
    Pair,
    Problem,
    Scope,
    Score,
    TaskInfo,
    TokenBatch,
    TokenRow,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from otx.heads import Head


class Objective(Protocol):
    """A ``torch.nn.Module`` made as ``Target(options, dimension)``; no encoder, optimiser or I/O inside."""

    needs: Needs
    scope: Scope

    def __call__(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        ...


class Encoder(Protocol):
    """Base class of encoders, made as ``Target(reference, options)``.

    Inherit from it and implement the abstract methods, or write a class with all of these members. ``Target`` raises
    DataError for a checkpoint that it cannot use and UsageError for an option that does not fit it.

    Attributes:
        reference: The name, Hub id or folder that the encoder was made from.
        dimension: Length D of a hidden state.
        layers: Number of layers; hidden states are numbered 0 (embeddings) to ``layers``.
        max_length: Longest row in sub-words, special tokens included. Nobody changes it: a shorter limit is an
            argument of ``tokenise``.
        module: All trained weights, heads included.
        tokenizer: A fast Hugging Face tokenizer (``transformers.PreTrainedTokenizerBase`` with offsets).
        notes: Sentences about what is unusual in the checkpoint; runs and evaluations report them.
        learning_rate: Peak learning rate of an alignment whose settings give no ``optimizer.lr``; None for 5e-5.
    """

    reference: str
    dimension: int
    layers: int
    max_length: int
    module: nn.Module
    tokenizer: Any
    notes: Sequence[str] = ()
    learning_rate: float | None = None

    @abstractmethod
    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        """Split texts into sub-words, with the word of each, and add special tokens.

        Args:
            texts: The texts.
            pretokenised: True if words are separated by white space; otherwise words are Unicode word segments.
            max_length: Longest row in sub-words, special tokens included. The encoder's own ``max_length`` applies
                where it is lower or where this is None. A longer text is cut between words, never inside one.

        Returns:
            One row per text. ``otx.data.words.word_index`` numbers the words.
        """
        ...

    @abstractmethod
    def collate(self, rows: Sequence[TokenRow]) -> TokenBatch:
        """Pad rows to the longest of them.

        Args:
            rows: At least one row of ``tokenise``.

        Returns:
            A batch ``[B, T]`` on the encoder's device; the mask is True at sub-words.
        """
        ...

    @abstractmethod
    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        """Compute hidden states. The caller chooses train or eval mode, gradients and autocast.

        Args:
            batch: A batch of ``collate``.
            layers: Layers to return: 0 for the embeddings, 1 to ``layers``, or negative from the end.

        Returns:
            The states ``[B, T, D]`` by the layer numbers that were asked for.

        Raises:
            UsageError: If the encoder has no such layer.
        """
        ...

    def masked_logits(self, batch: TokenBatch, picked: Tensor) -> Tensor:
        """Predict masked sub-words.

        Args:
            batch: A batch ``[B, T]`` whose sub-words at ``picked`` are masked.
            picked: Positions to predict ``[B, T]``, True at K of them.

        Returns:
            Logits ``[K, V]`` over the vocabulary.

        Raises:
            UsageError: If the checkpoint has no masked-LM head. The default always raises it.
        """
        raise UsageError(
            f"{self.reference}: the checkpoint has no masked-LM head",
            "use a ...ForMaskedLM checkpoint, or an objective that does not mask",
        )

    def carried_head(self, kind: str) -> Head | None:
        """Return a task head that the checkpoint already has.

        Args:
            kind: "question-answering" (logits ``[B, T, 2]``: start and end), "sequence-classification" (``[B, C]``) or
                "token-classification" (``[B, T, C]``).

        Returns:
            A module that maps a TokenBatch to logits and shares the encoder's weights, or None (the default) if the
            checkpoint has no head of this kind. Heads of the last two kinds have ``labels``, the names of their C
            classes in order.
        """
        return None

    def fresh_head(self, kind: str, labels: Sequence[str]) -> Head:
        """Replace any task head by a new one, with weights drawn from torch's generator.

        Args:
            kind: A kind as in ``carried_head``.
            labels: Names of the classes in the order of their logits; none for question answering.

        Returns:
            The head. From now on ``module`` holds it and ``save`` writes it.

        Raises:
            UsageError: If the encoder can have no such head. The default always raises it.
        """
        raise UsageError(
            f"{self.reference}: {type(self).__name__} makes no head for {kind}",
            "choose another encoder or another task",
        )

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write a plain Hugging Face folder in float32: config, safetensors, tokenizer.

        Args:
            folder: An existing folder.
        """
        ...

    @abstractmethod
    def digest(self) -> str:
        """Return a hash of the present weights, the configuration and the tokenizer."""
        ...


class Corpus(Protocol):
    """Base class of corpora: the sentence pairs of one language pair, with random access.

    ``Target(rest, options, pivot)`` returns a list of them. Inherit from it and implement the abstract methods, or
    write a class with all of these members. Memory must not grow with the number of pairs.

    Attributes:
        name: What the corpus is called in messages and records.
        source_language: Code of the source language, such as ``de``.
        pivot_language: Code of the pivot language.
        pretokenised: True if words are separated by white space.
        gold: Files of gold word links and of their sentences, if the corpus has them; indices count from 0.
    """

    name: str
    source_language: str
    pivot_language: str
    pretokenised: bool = False
    gold: tuple[Path, Path] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of pairs."""
        ...

    @abstractmethod
    def __getitem__(self, index: int) -> Pair:
        """Return a pair.

        Args:
            index: Its number, from 0.

        Raises:
            IndexError: Beyond the last pair.
        """
        ...

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of the pairs, their line numbers and languages, but not of paths."""
        ...

    def problems(self) -> Sequence[Problem]:
        """Return every refused or repaired line; none by default."""
        return ()

    def links(self) -> Sequence[Links] | None:
        """Return the word links that come with the corpus.

        Returns:
            One set per pair, in the words of the pre-tokenised text; None (the default) if there are none.
        """
        return None


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
        """Return the sufficient statistics of one prediction, which the metrics sum."""

    def examples(self, language: str) -> list[Example]:
        """Return the test examples of a language, read on the first call."""
        if language not in self._examples:
            self._examples[language] = self.load_examples(language)
        return self._examples[language]

    def fingerprint(self, language: str) -> str:
        """Return a hash of the test examples of a language."""
        return digest(self.examples(language))

    def sentences(self, language: str) -> list[str]:
        """Return every distinct text in the ``text_fields`` of the test examples, sorted."""
        texts: set[str] = set()
        for example in self.examples(language):
            for name in self.text_fields:
                value = example.fields.get(name, ())
                texts.update((value,) if isinstance(value, str) else value)
        return sorted(texts)

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return no notes."""
        return []

    def left_out(self, language: str) -> str | None:
        """Describe the parts of a test set that cannot be used, in one line.

        ``otx eval --strict`` refuses a test set of which a part is left out.

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
        """Return a prediction for every example of a language, by example id."""


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
        """Return what goes through the encoder, as instances of ``feature``."""

    @abstractmethod
    def collate(self, encoder: Encoder, features: Sequence[Any]) -> tuple[TokenBatch, Any]:
        """Return a padded batch on the encoder's device, and its labels or None."""

    @abstractmethod
    def decode(self, features: Sequence[Any], logits: Sequence[Tensor]) -> dict[str, Any]:
        """Return the predictions by example id."""

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """Return training and development examples, read on the first call with a seed."""
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
        """Return a checkpoint's head if its classes are ``labels`` in the same order."""
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

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"{self.info.name} cannot predict lines of text", "evaluate it with otx eval instead"
        )

    def write_line(self, prediction: Any) -> str:
        """Return a text with its white space collapsed, or any other value as JSON."""
        if isinstance(prediction, str):
            return " ".join(prediction.split())
        return json.dumps(prediction, ensure_ascii=False)

    def baselines(self, language: str) -> dict[str, list[Score]]:
        """Return no baselines."""
        return {}
