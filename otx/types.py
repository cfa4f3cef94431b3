"""The nouns that cross the house's doors; nothing here imports torch, so that listing stays fast.

Mask convention everywhere: True = real. `B` pairs, `T` sub-words, `W` words, `D` dimensions. A pair has a *source* side
and a *pivot* side: the pivot is a language (English by default), never a position in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Scope = Literal["sentence", "batch"]
WordVector = Literal["last", "first", "mean"]
Links = frozenset[tuple[int, int]]
"""Word links of one pair: (source word, pivot word), both counted from 0."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and its translation. ``line`` counts from 1 in the corpus's own files."""

    source: str
    pivot: str
    line: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One refused or repaired line: which file, which line (from 1), what kind, and the reason in words."""

    file: str
    line: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One tokenised text. ``word_index[t]`` is the word of sub-word t, -1 for a special token.

    ``words`` counts the words that kept all their sub-words; ``cut`` the words lost to the length limit.
    """

    ids: list[int]
    word_index: list[int]
    words: int
    cut: int


@dataclass(slots=True)
class TokenBatch:
    """Padded sub-words of one side: ``ids [B, T]``, ``mask [B, T]``, ``word_index [B, T]`` (-1 = special or padding).

    ``type_ids [B, T]`` only where two texts share a sequence (question and context) and the encoder uses it.
    """

    ids: Tensor
    mask: Tensor
    word_index: Tensor
    type_ids: Tensor | None = None

    def to(self, device: torch.device) -> TokenBatch:
        """The same batch on another device."""
        types = None if self.type_ids is None else self.type_ids.to(device)
        return TokenBatch(
            self.ids.to(device), self.mask.to(device), self.word_index.to(device), types
        )


@dataclass(slots=True)
class Encoded:
    """What the encoder says of one side: states ``tokens[layer] [B, T, D]`` (layer -1 = last, 0 = embeddings)."""

    tokens: dict[int, Tensor]
    mask: Tensor
    word_index: Tensor

    def subwords(self, layer: int = -1) -> tuple[Tensor, Tensor]:
        """Vectors ``[B, T, D]`` and mask ``[B, T]`` of the sub-words, special tokens masked out."""
        return self.tokens[layer], self.word_index >= 0

    def words(self, layer: int = -1, vector: WordVector = "last") -> tuple[Tensor, Tensor]:
        """Vectors ``[B, W, D]`` and mask ``[B, W]`` of the words.

        A word's vector is its last sub-word (Alqahtani et al. 2021, after Cao et al. 2020), its first, or the mean.
        """
        states, index = self.tokens[layer], self.word_index
        batch, _, width = states.shape
        count = max(int(index.max()) + 1, 1)
        real = index >= 0
        slot = index.clamp(min=0)
        sizes = real.new_zeros((batch, count), dtype=states.dtype)
        sizes = sizes.scatter_add(1, slot, real.to(states.dtype))
        mask = sizes > 0
        if vector == "mean":
            total = states.new_zeros((batch, count, width))
            weighted = states * real.unsqueeze(-1)
            total = total.scatter_add(1, slot.unsqueeze(-1).expand_as(states), weighted)
            return total / sizes.clamp(min=1).unsqueeze(-1), mask
        place = index.new_ones(index.shape).cumsum(1) - 1
        extreme = "amax" if vector == "last" else "amin"
        pick = index.new_zeros((batch, count + 1)).scatter_reduce(
            1, index.where(real, count), place, extreme, include_self=False
        )[:, :count]
        vectors = states.gather(1, pick.unsqueeze(-1).expand(batch, count, width))
        return vectors * mask.unsqueeze(-1), mask

    def sentences(self, layer: int = -1) -> Tensor:
        """Sentence vectors ``[B, D]``: the mean over sub-words, special tokens left out."""
        states, real = self.subwords(layer)
        weight = real.to(states.dtype).unsqueeze(-1)
        return (states * weight).sum(1) / weight.sum(1).clamp(min=1)


@dataclass(slots=True)
class Masked:
    """A masked-LM view: ``logits [K, V]`` and ``labels [K]`` of the K masked sub-words of both sides."""

    logits: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Needs:
    """The views an objective asks for; the engine computes each distinct one once per batch.

    ``layers``: hidden layers of both sides. ``reference``: the frozen initial encoder's states of those layers.
    ``links``: word links. ``idf``: inverse document frequencies of the words, counted on the bitext.
    ``masked``: masked-LM logits of both sides. ``parameters``: current and initial encoder parameters.
    """

    layers: tuple[int, ...] = ()
    reference: bool = False
    links: bool = False
    idf: bool = False
    masked: bool = False
    parameters: bool = False

    def __or__(self, other: Needs) -> Needs:
        """The union of two sets of views."""
        return Needs(
            tuple(sorted({*self.layers, *other.layers})),
            self.reference or other.reference,
            self.links or other.links,
            self.idf or other.idf,
            self.masked or other.masked,
            self.parameters or other.parameters,
        )


@dataclass(slots=True)
class EncodedPair:
    """One batch of one language pair as an objective sees it; views that nobody asked for are None.

    ``links [L, 3]``: (pair in the batch, source word, pivot word). ``idf``: two tensors ``[B, W]``, 0 at padding.
    ``parameters``: (current, initial) tensors of the encoder, in one order; initial ones never need gradients.
    """

    source: Encoded
    pivot: Encoded
    reference_source: Encoded | None = None
    reference_pivot: Encoded | None = None
    links: Tensor | None = None
    source_idf: Tensor | None = None
    pivot_idf: Tensor | None = None
    masked: Masked | None = None
    parameters: Sequence[tuple[Tensor, Tensor]] | None = None


@dataclass(slots=True)
class Loss:
    """What an objective returns.

    ``value []`` is minimised; ``terms`` are its named parts, unweighted, detached scalars; ``health`` are detached
    scalars about the solver under fixed names: ``mass`` (mean total mass of the plans), ``expected_mass``,
    ``converged`` (share of the problems, 0 to 1; left out by a fixed schedule that is exempt from the
    convergence stop), ``marginal_error`` (mean, in mass), ``iterations`` (mean).
    """

    value: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    health: dict[str, Tensor] = field(default_factory=dict)
    plan: Tensor | None = None


class Objective(Protocol):
    """A ``torch.nn.Module`` made as ``Target(options, dimension)``; no encoder, optimiser or I/O inside."""

    needs: Needs
    scope: Scope

    def __call__(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        ...


class Encoder(Protocol):
    """A multilingual encoder made as ``Target(reference, options)``; raises DataError or UsageError when it cannot."""

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
        """A head the checkpoint already has ("question-answering", "sequence-classification"): a module that takes a
        TokenBatch and gives logits (``[B, T, 2]`` or ``[B, C]``), sharing the encoder's weights; else None."""
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


@dataclass(frozen=True, slots=True)
class Metric:
    """A number made from summed sufficient statistics.

    ``compute`` takes sums over examples, ``{statistic: number or array}``, and works on arrays elementwise
    (so that a bootstrap is one call); values are fractions, shown times 100 where ``percent``.
    """

    name: str
    compute: Callable[[Mapping[str, Any]], Any]
    higher_is_better: bool = True
    percent: bool = True


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What a task is: its first metric is the one that tables show and comparisons test.

    ``version`` changes whenever a number could. ``source_language`` is what a transfer task is trained in.
    """

    name: str
    version: str
    kind: Literal["probe", "transfer"]
    metrics: tuple[Metric, ...]
    licence: str
    source_language: str = "en"


@dataclass(frozen=True, slots=True)
class Example:
    """One item of a task: ``cluster`` is what the bootstrap resamples (paragraph, premise, or the example itself)."""

    id: str
    cluster: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Score:
    """The sufficient statistics of one example (matches and counts, 0/1, ranks), which metrics sum and divide."""

    example: str
    cluster: str
    statistics: Mapping[str, float]


class Task(Protocol):
    """Made as ``Target(options)``; ``options`` hold at least ``data`` (a folder or None), a transfer task's also
    ``epochs, lr, batch, warmup`` and ``weight_decay``."""

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

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """What should be known of these scores: cut sentences, chance level, an index base that was guessed."""
        ...


class ProbeTask(Task, Protocol):
    """A task that reads the encoder only."""

    def probe(self, encoder: Encoder, language: str) -> list[Score]:
        """One score an example."""
        ...


class TransferTask(Task, Protocol):
    """A task that is learnt in the source language and then predicted in each."""

    head_kind: str
    floor_names: tuple[str, ...]

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

    def head(self, dimension: int) -> nn.Module:
        """A fresh head: takes an Encoded (last layer) and gives logits."""
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

    def score(self, prediction: Any, example: Example) -> Score:
        """The sufficient statistics of one prediction."""
        ...

    def floors(self, language: str) -> dict[str, list[Score]]:
        """Scores of baselines that need no encoder (majority class, n-gram span), by name."""
        ...
