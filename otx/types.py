"""The nouns that cross the doors between rooms; who gives and takes them is in ``otx.interfaces``.

Nothing here imports torch, so that listing stays fast.

Mask convention everywhere: True = real. `B` pairs, `T` sub-words, `W` words, `D` dimensions. A pair has a *source* side
and a *pivot* side: the pivot is a language (English by default), never a position in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Scope = Literal["sentence", "batch"]
WordVector = Literal["last", "first", "mean"]
Part = Literal["embeddings", "lower", "upper"]
"""Of an encoder: its embeddings, the lower half of its layers, the upper half."""
Links = frozenset[tuple[int, int]]
"""Word links of one pair: (source word, pivot word), both counted from 0."""


Place = tuple[str | int, ...]
"""Where a tensor is in a batch: the view, then names and numbers."""


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
    """A masked-LM view: ``logits [K, V]`` and ``labels [K]`` of its K masked sub-words, of both sides."""

    logits: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Needs:
    """The views an objective asks for; the engine computes each distinct one once per batch.

    ``layers``: hidden layers of both sides. ``reference``: the frozen initial encoder's states of those layers.
    ``links``: word links. ``idf``: inverse document frequencies of the words, counted on the bitext.
    ``masked``: masked-LM logits of both sides, each in a sequence of its own. ``tlm``: the same with both sides in one
    sequence. ``parameters``: current and initial encoder parameters. ``momentum``: the states of those layers by a
    frozen encoder that follows this one as a moving average. ``teacher``: the last layer of the pivot side by another
    frozen encoder, cut by its own tokenizer.
    """

    layers: tuple[int, ...] = ()
    reference: bool = False
    links: bool = False
    idf: bool = False
    masked: bool = False
    tlm: bool = False
    parameters: bool = False
    momentum: bool = False
    teacher: bool = False

    def __or__(self, other: Needs) -> Needs:
        """The union of two sets of views."""
        return Needs(
            tuple(sorted({*self.layers, *other.layers})),
            self.reference or other.reference,
            self.links or other.links,
            self.idf or other.idf,
            self.masked or other.masked,
            self.tlm or other.tlm,
            self.parameters or other.parameters,
            self.momentum or other.momentum,
            self.teacher or other.teacher,
        )


@dataclass(slots=True)
class EncodedPair:
    """One batch of one language pair as an objective sees it; views that nobody asked for are None.

    ``links [L, 3]``: (pair in the batch, source word, pivot word). ``idf``: two tensors ``[B, W]``, 0 at padding.
    ``parameters``: (current, initial) tensors of the encoder, in one order; initial ones never need gradients.
    ``teacher_pivot``: layer -1 only, ``[B, T', D']``; its sub-words and width are the teacher's own, its words ours
    where both cut text into words alike.
    """

    source: Encoded
    pivot: Encoded
    reference_source: Encoded | None = None
    reference_pivot: Encoded | None = None
    links: Tensor | None = None
    source_idf: Tensor | None = None
    pivot_idf: Tensor | None = None
    masked: Masked | None = None
    tlm: Masked | None = None
    momentum_source: Encoded | None = None
    momentum_pivot: Encoded | None = None
    teacher_pivot: Encoded | None = None
    parameters: Sequence[tuple[Tensor, Tensor]] | None = None

    def frozen(self) -> dict[str, Encoded]:
        """Return the views that other encoders made, by name."""
        views = {view.name: getattr(self, view.name) for view in fields(self)}
        return {
            name: view
            for name, view in views.items()
            if isinstance(view, Encoded) and name not in ("source", "pivot")
        }

    def tensors(self) -> Iterator[tuple[Place, Tensor]]:
        """Yield every tensor of every view with its place: ``("source", "tokens", -1)``."""
        for name in (view.name for view in fields(self)):
            view = getattr(self, name)
            if isinstance(view, Encoded):
                for layer, states in view.tokens.items():
                    yield (name, "tokens", layer), states
                yield (name, "mask"), view.mask
                yield (name, "word_index"), view.word_index
            elif isinstance(view, Masked):
                yield (name, "logits"), view.logits
                yield (name, "labels"), view.labels
            elif name == "parameters":
                for number, (current, initial) in enumerate(view or ()):
                    yield (name, number, 0), current
                    yield (name, number, 1), initial
            elif view is not None:
                yield (name,), view


def place_text(place: Place) -> str:
    """Return a place in a batch as an objective writes it: ``source.tokens[-1]``."""
    name, *rest = place
    return str(name) + "".join(f".{p}" if isinstance(p, str) else f"[{p}]" for p in rest)


@dataclass(slots=True)
class Loss:
    """What an objective returns.

    ``value []`` is minimised; ``terms`` are its named parts, unweighted, detached scalars; ``health`` are detached
    scalars about the solver under fixed names: ``mass`` (mean total mass of the plans), ``expected_mass``,
    ``converged`` (share of the problems, 0 to 1; left out by a fixed schedule that is exempt from the
    convergence stop), ``marginal_error`` (mean, in mass), ``iterations`` (mean). ``plan`` computes the transport
    plan of a transport objective, detached, for whoever looks at it.
    """

    value: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    health: dict[str, Tensor] = field(default_factory=dict)
    plan: Callable[[], Tensor] | None = None


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

    ``version`` changes whenever a number could. ``source_language`` is what a transfer task is trained in, unless its
    option ``source`` says otherwise. ``suites``:
    names that stand for several tasks, with this one's place among them (``otx eval xtreme``); tables of a comparison
    come in the order of the first.
    """

    name: str
    version: str
    kind: Literal["probe", "transfer"]
    metrics: tuple[Metric, ...]
    licence: str
    source_language: str = "en"
    suites: Mapping[str, int] = field(default_factory=dict)


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
