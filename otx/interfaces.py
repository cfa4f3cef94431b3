"""What a plugin implements: the protocols of an objective, an encoder, a corpus and a task.

The nouns that they speak of are in ``otx.types``; nothing here imports torch either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from otx.tensor_tree import map_tensors
from otx.types import (
    Encoded,
    EncodedPair,
    Example,
    Links,
    Loss,
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

    from otx.config.schema import AlignSettings
    from otx.views.context import FakeBatch, ViewContext, ViewMaker

Value = TypeVar("Value")


class View(ABC, Generic[Value]):
    """A part of a batch that an objective reads, ``pair[Name]``; a subclass is a frozen dataclass.

    An objective declares values of it: ``views = {States(layer=-1), Links()}``. One class says all about a view: what
    it requires, how it is computed for a batch, and how tests imitate it. Objectives share views: ``maker`` and
    ``fake`` take every declared value of the class, without duplicates. ``Value`` is the type of ``pair[Name]``; its
    tensors may be nested in dataclasses, mappings and sequences. The built-in views are in ``otx.views``.

    Attributes:
        label: Name in docs/objectives.md.
        summary: What the view holds, in a few words, for docs/objectives.md.
        holds_sides: The view is ``pair.source`` and ``pair.pivot`` themselves.
        joins_sides: Both sides share one sequence, so that each has half of the encoder's length limit.
        predicts_subwords: The view reads the language-model head, so that the whole vocabulary is trained.
        reads_corpora: The view is counted on the training corpora, so that a single pair does not suffice.
        copied_in_checks: Small enough to be copied when a check looks for changes in place.
    """

    label: ClassVar[str]
    summary: ClassVar[str]
    holds_sides: ClassVar[bool] = False
    joins_sides: ClassVar[bool] = False
    predicts_subwords: ClassVar[bool] = False
    reads_corpora: ClassVar[bool] = False
    copied_in_checks: ClassVar[bool] = True

    def auxiliary(self, align: AlignSettings) -> frozenset[str]:
        """Return the auxiliary encoders that the view reads: ``reference``, ``momentum``, ``teacher``.

        Args:
            align: The run's table ``[align]``.
        """
        return frozenset()

    @classmethod
    @abstractmethod
    def maker(cls, views: Sequence[Self], context: ViewContext) -> ViewMaker[Value]:
        """Prepare to compute the view for every batch of a run.

        Args:
            views: The declared values of the class.
            context: The run's encoders, corpora and settings.

        Returns:
            The hidden states that the view reads, and a function of a batch.

        Raises:
            UsageError: If the encoder or the settings do not permit the view.
        """

    @classmethod
    @abstractmethod
    def fake(cls, views: Sequence[Self], batch: FakeBatch) -> Value:
        """Return a random value for a batch that no encoder has seen.

        Args:
            views: The declared values of the class.
            batch: Word counts, width and random generator of the batch.
        """

    @classmethod
    def restrict(cls, value: Value, views: Sequence[Self]) -> Value:
        """Return the part of a value that some of the declared views ask for; by default all of it.

        Args:
            value: The value for all objectives.
            views: The values of the class that one objective declares.
        """
        return value

    @classmethod
    def tap(cls, value: Value, function: Callable[[Tensor], Tensor]) -> Value:
        """Return the value with a function applied to each tensor, which counts its gradient; containers are copied.

        Args:
            value: The value.
            function: Takes and returns a tensor.
        """
        return map_tensors(function, value)

    @classmethod
    def select(cls, value: Value, rows: slice, pairs: int) -> Value:
        """Return the value for some pairs of a batch; by default rows of every tensor.

        Args:
            value: The value for the whole batch.
            rows: The pairs to keep, a slice with start and stop.
            pairs: Number of pairs of the whole batch.
        """
        return map_tensors(lambda tensor: tensor[rows], value)

    @classmethod
    def pad(cls, value: Value, count: int) -> Value:
        """Return the value with more padding, which an objective must not read; by default unchanged.

        Args:
            value: The value.
            count: Sub-words of padding to add to each side (``otx.views.fakes.pad_encoded``).
        """
        return value


class Objective(Protocol):
    """A ``torch.nn.Module`` made as ``Target(options, dimension)``, without encoder, optimiser or I/O.

    It does not change its input. Everything it keeps between batches is a buffer or a parameter: the training loop
    optimises and saves what it owns.

    Attributes:
        views: The views that it reads, from ``otx.views``: a frozenset, set or tuple of values such as
            ``States(layer=-1)``. The engine computes each distinct view once per batch.
        scope: ``mean`` if the loss of a batch is the mean over ``Loss.count`` items (pairs, words or masked
            sub-words); ``batch`` if it depends on the whole batch (negatives, pooled transport, distributions).
    """

    views: Collection[View[Any]]
    scope: Scope

    def __call__(self, pair: EncodedPair) -> Loss:
        """Compute the loss of one batch of one language pair.

        Args:
            pair: The batch, with the declared views only.

        Returns:
            The loss; of scope ``mean`` with its ``count``.
        """
        ...


class Encoder(Protocol):
    """A multilingual encoder made as ``Target(reference, options)``; raises DataError or UsageError when it cannot.

    It may also say ``notes``, what is unusual about its checkpoint, and ``learning_rate``, the peak rate at which it
    is aligned where ``optimizer.lr`` gives none (otherwise 5e-5).
    """

    reference: str
    dimension: int
    layers: int
    max_length: int
    module: nn.Module
    tokenizer: Any
    """A fast Hugging Face tokenizer (``transformers.PreTrainedTokenizerBase`` with offsets)."""

    def tokenise(self, texts: Sequence[str], *, pretokenised: bool = False) -> list[TokenRow]:
        """Sub-words and word indices of each text, special tokens added, cut at ``max_length``, never inside a word."""
        ...

    def collate(self, rows: Sequence[TokenRow]) -> TokenBatch:
        """Rows padded to the longest of them, on the encoder's device."""
        ...

    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        """Hidden states of the layers asked for (0 = embeddings, 1.. = layers, negative from the end)."""
        ...

    def masked_logits(self, batch: TokenBatch, picked: Tensor) -> Tensor:
        """Masked-LM logits ``[K, V]`` at ``picked [B, T]``; UsageError if the checkpoint has no LM head."""
        ...

    def carried_head(self, kind: str) -> nn.Module | None:
        """A head the checkpoint already has: a module that takes a TokenBatch and gives logits, sharing the encoder's
        weights; else None. Kinds: "question-answering" (``[B, T, 2]``), "sequence-classification" (``[B, C]``),
        "token-classification" (``[B, T, C]``); the two last say ``labels``, the names of their C classes in order."""
        ...

    def fresh_head(self, kind: str, labels: Sequence[str]) -> nn.Module:
        """The same with new weights (drawn from torch's generator), in place of any head there was: ``module`` holds it
        and ``save`` writes it. UsageError if there can be none."""
        ...

    def save(self, folder: Path) -> None:
        """Write a plain Hugging Face folder in float32 (config, safetensors, tokenizer)."""
        ...

    def digest(self) -> str:
        """A hash of the weights and the tokenizer as they are now."""
        ...


class Corpus(Protocol):
    """Map-style pairs of one language pair, with random access; memory does not grow with the size."""

    name: str
    source_language: str
    pivot_language: str
    pretokenised: bool

    def __len__(self) -> int:
        """How many pairs."""
        ...

    def __getitem__(self, index: int) -> Pair:
        """Pair number ``index`` (from 0)."""
        ...

    def fingerprint(self) -> str:
        """A hash of the content."""
        ...

    def problems(self) -> Sequence[Problem]:
        """Every refused line."""
        ...

    def links(self) -> Sequence[Links] | None:
        """Given word links, one set a pair (of the pre-tokenised words), or None."""
        ...


class Task(Protocol):
    """Made as ``Target(options)``; ``options`` hold at least ``data`` (a folder or None), a transfer task's also
    ``epochs, lr, batch, warmup`` and ``weight_decay``. Options declare their roles: see ``otx.config.roles``.

    It may also have ``left_out(language)``: which parts of a test set it cannot use, in one line, or None. Its notes
    count them, and ``otx eval --strict`` refuses such a set. A DataError for one language does not end the others.
    """

    info: TaskInfo
    options: Any

    def languages(self) -> list[str]:
        """Languages there is data for, the source language first."""
        ...

    def examples(self, language: str) -> list[Example]:
        """The test examples of a language."""
        ...

    def fingerprint(self, language: str) -> str:
        """A hash of what is tested on in this language."""
        ...

    def sentences(self, language: str) -> list[str]:
        """The tested sentences, as they might occur in a bitext."""
        ...

    def score(self, prediction: Any, example: Example) -> Score:
        """The sufficient statistics of one prediction."""
        ...

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """What should be known of these scores: cut sentences, chance level, an index base that was guessed."""
        ...


class ProbeTask(Task, Protocol):
    """A task that reads the encoder only."""

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """What the encoder makes of each example, by example id, as JSON can hold it."""
        ...


class TransferTask(Task, Protocol):
    """A task that is learnt in the source language and then predicted in each.

    It may also have ``count_cut(encoder, examples)``: how many sub-words, or words, of each example the length limit
    leaves out, which ``otx predict`` notes.
    """

    head_kind: str
    floor_names: tuple[str, ...]
    feature: type[Any]
    """What ``features`` makes: a frozen dataclass of texts, numbers, lists and arrays, for it is kept on disk."""

    def problems(self) -> list[Problem]:
        """Every refused row or answer of the files read so far."""
        ...

    def carried(self, head: nn.Module) -> nn.Module | None:
        """A head that the checkpoint brought, its outputs in the task's own order; None if it does not fit."""
        ...

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """Training and development examples of the source language, disjoint from every test set."""
        ...

    def training_fingerprint(self) -> str:
        """A hash of the training files, limit and hyper-parameters."""
        ...

    def labels(self) -> Sequence[str]:
        """The classes of a fresh head in the order of its logits; none for spans."""
        ...

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[Any]:
        """What goes through the encoder; one example may give several (windows).

        Each has ``length`` (sub-words) and ``label`` (None: nothing can be learnt from it).
        """
        ...

    def collate(self, encoder: Encoder, features: Sequence[Any]) -> tuple[TokenBatch, Any]:
        """A padded batch on the encoder's device and its labels (None when there are none)."""
        ...

    def loss(self, logits: Tensor, labels: Any) -> Loss:
        """The training loss of a batch."""
        ...

    def decode(self, features: Sequence[Any], logits: Sequence[Tensor]) -> dict[str, Any]:
        """Predictions by example id from every feature and its (unpadded) logits."""
        ...

    def read_line(self, line: str, number: int) -> Example:
        """What a line of text asks, without an answer; ``number`` (from 1) is its id. DataError for another layout."""
        ...

    def write_line(self, prediction: Any) -> str:
        """A prediction as a line of text."""
        ...

    def floors(self, language: str) -> dict[str, list[Score]]:
        """Scores of baselines that need no encoder (majority class, n-gram span), by name."""
        ...
