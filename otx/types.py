"""Data that components pass to one another; ``otx.interfaces`` declares who produces and who reads them.

Nothing here imports torch, so that listing stays fast.

Mask convention everywhere: True = real. ``B`` pairs, ``T`` sub-words, ``W`` words, ``D`` dimensions. A pair has a
*source* side and a *pivot* side: the pivot is a language (English by default), never a position in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from otx.tensor_tree import ON_HOST, Place, walk_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from otx.interfaces import View

Value = TypeVar("Value")

Scope = Literal["mean", "batch"]
"""Relation of a batch's loss to its items.

``mean``: the value is the mean over ``Loss.count`` items, so that a batch can be split and recombined by count.
``batch``: the value depends on the whole batch (negatives, pooled transport, distributions) and cannot be split.
"""
WordVector = Literal["last", "first", "mean"]
"""Sub-word, or mean of the sub-words, that represents a word."""
Part = Literal["embeddings", "lower", "upper"]
"""Part of an encoder: its embeddings, the lower half of its layers, the upper half."""
Links = frozenset[tuple[int, int]]
"""Word links of one pair: (source word, pivot word), both counted from 0."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and its translation.

    Attributes:
        source: The source sentence.
        pivot: Its translation in the pivot language.
        line: Line in the corpus's own files, counted from 1.
    """

    source: str
    pivot: str
    line: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One refused or repaired line of a file.

    Attributes:
        file: The file.
        line: The line, counted from 1.
        kind: Kind of problem, by which problems are counted.
        reason: The reason in words.
    """

    file: str
    line: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One tokenised text.

    Attributes:
        ids: Sub-word ids, special tokens included.
        word_index: Word of each sub-word; -1 for a special token.
        words: Number of words that kept all their sub-words.
        cut: Number of words lost to the length limit.
    """

    ids: list[int]
    word_index: list[int]
    words: int
    cut: int


@dataclass(slots=True)
class TokenBatch:
    """Padded sub-words of one side.

    Attributes:
        ids: Sub-word ids ``[B, T]``.
        mask: Real sub-words ``[B, T]``.
        word_index: Word of each sub-word ``[B, T]``; -1 for special tokens and padding.
        type_ids: Segment ids ``[B, T]``, only where two texts share a sequence (question and context) and the encoder
            uses them.
        word_counts: One more than the largest ``word_index`` of each text, as the host knows it; see ``Encoded``.
        lengths: Number of sub-words of each text, as the host knows it, if the padding is on the right.
    """

    ids: Tensor
    mask: Tensor
    word_index: Tensor
    type_ids: Tensor | None = None
    word_counts: Sequence[int] | None = field(default=None, metadata=ON_HOST)
    lengths: Sequence[int] | None = field(default=None, metadata=ON_HOST)

    def to(self, device: torch.device) -> TokenBatch:
        """Copy the batch to a device.

        Args:
            device: The device.

        Returns:
            The same batch there.
        """
        types = None if self.type_ids is None else self.type_ids.to(device)
        return TokenBatch(
            self.ids.to(device),
            self.mask.to(device),
            self.word_index.to(device),
            types,
            self.word_counts,
            self.lengths,
        )


class MissingViewError(LookupError):
    """An objective reads a view or a hidden layer that its ``views`` do not declare."""


@dataclass(slots=True)
class Encoded:
    """Hidden states of one side of a batch.

    Attributes:
        tokens: Hidden states ``[B, T, D]`` by layer (-1 = last, 0 = embeddings); only layers that were asked for.
        mask: Real sub-words ``[B, T]``, special tokens included.
        word_index: Word of each sub-word ``[B, T]``; -1 for special tokens and padding.
        word_counts: One more than the largest ``word_index`` of each text, as the host knows it. Where it is None, the
            host waits for the device to learn how many words the longest text has.
    """

    tokens: dict[int, Tensor]
    mask: Tensor
    word_index: Tensor
    word_counts: Sequence[int] | None = field(default=None, metadata=ON_HOST)

    def states(self, layer: int = -1) -> Tensor:
        """Return the hidden states of a layer, special tokens and padding included.

        Args:
            layer: The hidden layer (-1 = last, 0 = embeddings).

        Returns:
            The states ``[B, T, D]``.

        Raises:
            MissingViewError: If the layer was not asked for.
        """
        if layer not in self.tokens:
            layers = ", ".join(map(str, sorted(self.tokens))) or "none"
            raise MissingViewError(
                f"the batch has no hidden states of layer {layer} (layers in the batch: {layers}): "
                f"declare the view with layer={layer}"
            )
        return self.tokens[layer]

    def subwords(self, layer: int = -1) -> tuple[Tensor, Tensor]:
        """Return the vectors of the sub-words, special tokens masked out.

        Args:
            layer: The hidden layer.

        Returns:
            Vectors ``[B, T, D]`` and their mask ``[B, T]``.

        Raises:
            MissingViewError: If the layer was not asked for.
        """
        return self.states(layer), self.word_index >= 0

    def words(self, layer: int = -1, vector: WordVector = "last") -> tuple[Tensor, Tensor]:
        """Return the vectors of the words.

        Args:
            layer: The hidden layer.
            vector: Vector of a word: its last sub-word (Alqahtani et al. 2021, after Cao et al. 2020), its first, or
                the mean.

        Returns:
            Vectors ``[B, W, D]``, 0 at padding, and their mask ``[B, W]``.

        Raises:
            MissingViewError: If the layer was not asked for.

        Example:
            >>> import torch
            >>> index = torch.tensor([[-1, 0, 0, 1, -1]])
            >>> encoded = Encoded({-1: torch.arange(5.0).view(1, 5, 1)}, index > -2, index)
            >>> vectors, mask = encoded.words()
            >>> vectors.flatten().tolist(), mask.tolist()
            ([2.0, 3.0], [[True, True]])
        """
        states, index = self.states(layer), self.word_index
        batch, _, width = states.shape
        longest = int(index.max()) + 1 if self.word_counts is None else max(self.word_counts)
        count = max(longest, 1)
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
        """Return sentence vectors: the mean over sub-words, special tokens left out.

        Args:
            layer: The hidden layer.

        Returns:
            The vectors ``[B, D]``.

        Raises:
            MissingViewError: If the layer was not asked for.
        """
        states, real = self.subwords(layer)
        weight = real.to(states.dtype).unsqueeze(-1)
        return (states * weight).sum(1) / weight.sum(1).clamp(min=1)


@dataclass(frozen=True, slots=True)
class Sides(Generic[Value]):
    """A value for each side of a batch.

    Attributes:
        source: The source side's.
        pivot: The pivot side's.
    """

    source: Value
    pivot: Value


@dataclass(slots=True)
class MaskedLogits:
    """Masked-LM predictions of K masked sub-words, of both sides.

    Attributes:
        logits: Logits ``[K, V]`` over the vocabulary.
        labels: The masked sub-words' ids ``[K]``.
    """

    logits: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """One batch of one language pair, as an objective reads it.

    ``pair.source`` and ``pair.pivot`` are the two sides; every other view is read by its class: ``pair[Links]``,
    ``pair[Reference].source``. ``len(pair)`` is the number of pairs.

    Attributes:
        source: The source side, with the hidden layers that ``States`` views declare.
        pivot: The pivot side, with the same layers.
        views: Values of the other views, by class.
        declared: The views that were asked for.

    Example:
        >>> from otx.testing import example_pair
        >>> from otx.views import Links, States
        >>> pair = example_pair({States(layer=-1), Links()}, dimension=8)
        >>> pair.source.words()[0].shape, pair[Links].shape
        (torch.Size([4, 7, 8]), torch.Size([13, 3]))
    """

    source: Encoded
    pivot: Encoded
    views: Mapping[type[View[Any]], Any] = field(default_factory=dict)
    declared: frozenset[View[Any]] = frozenset()

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.source.mask)

    def __getitem__(self, view: type[View[Value]]) -> Value:
        """Return the value of a view.

        Args:
            view: The class of the view, from ``otx.views``.

        Returns:
            What the view's own docstring describes.

        Raises:
            MissingViewError: If no view of this class was declared.
        """
        if view.holds_sides:
            return Sides(self.source, self.pivot)  # type: ignore[return-value]
        if view not in self.views:
            names = ", ".join(sorted(map(repr, self.declared)))
            raise MissingViewError(
                f"the batch has no view {view.__name__}: views = {{{names}}}; add {view.__name__}()"
            )
        value: Value = self.views[view]
        return value

    def only(self, views: Collection[View[Any]]) -> EncodedPair:
        """Return the part of the batch that some views declare; its tensors are the same.

        Args:
            views: The views to keep.

        Returns:
            The batch with these views and their hidden layers only.

        Raises:
            MissingViewError: If the batch lacks one of them.
        """
        kinds: dict[type[View[Any]], list[View[Any]]] = {}
        for view in views:
            kinds.setdefault(type(view), []).append(view)
        sides = Sides(
            replace(self.source, tokens={}),
            replace(self.pivot, tokens={}),
        )
        values = {}
        for kind, several in kinds.items():
            value = kind.restrict(self[kind], several)
            if kind.holds_sides:
                sides = value
            else:
                values[kind] = value
        return EncodedPair(sides.source, sides.pivot, values, frozenset(views))

    def tensors(self) -> Iterator[tuple[Place, Tensor]]:
        """Yield every tensor of every view with its place, which ``place_text`` puts in words."""
        yield from walk_tensors(self.source, ("source",))
        yield from walk_tensors(self.pivot, ("pivot",))
        for view, value in self.views.items():
            yield from walk_tensors(value, (view,))


def place_text(place: Place) -> str:
    """Return a place in a batch as an objective writes it.

    Args:
        place: A side or the class of a view, then names and numbers.

    Returns:
        For example ``pair.source.tokens[-1]`` or ``pair[Links]``.

    Example:
        >>> place_text(("source", "tokens", -1))
        'pair.source.tokens[-1]'
    """
    parts = [
        f"[{part.__name__}]"
        if isinstance(part, type)
        else f".{part}"
        if isinstance(part, str)
        else f"[{part}]"
        for part in place
    ]
    return "pair" + "".join(parts)


@dataclass(frozen=True, slots=True)
class Loss:
    """The result of an objective for one batch; a changed copy is made with ``dataclasses.replace``.

    Attributes:
        value: The scalar ``[]`` to minimise.
        count: Number of items (pairs, words or masked sub-words) over which a value of scope ``mean`` is the mean, a
            number or a tensor ``[]``; None for scope ``batch``. A batch's value is the mean of its parts' values
            weighted by their counts.
        terms: Named parts of the value, unweighted, detached scalars.
        health: Detached scalars about the solver under fixed names: ``mass`` (mean total mass of the plans),
            ``expected_mass``, ``converged`` (share of the problems, 0 to 1; left out by a fixed schedule that is
            exempt from the convergence stop), ``marginal_error`` (mean, in mass), ``iterations`` (mean).
        plan: Function that computes the transport plan ``[P, N, M]`` of a transport objective, detached, for display;
            None for other objectives.
    """

    value: Tensor
    count: int | Tensor | None = field(default=None, kw_only=True)
    terms: dict[str, Tensor] = field(default_factory=dict, kw_only=True)
    health: dict[str, Tensor] = field(default_factory=dict, kw_only=True)
    plan: Callable[[], Tensor] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number computed from summed sufficient statistics.

    Attributes:
        name: Name in tables and records.
        compute: Takes sums over examples, ``{statistic: number or array}``, and works on arrays elementwise, so that a
            bootstrap is one call. Values are fractions.
        higher_is_better: Direction of improvement.
        percent: Show the value times 100.
    """

    name: str
    compute: Callable[[Mapping[str, Any]], Any]
    higher_is_better: bool = True
    percent: bool = True


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """Description of a task, which listings show without importing the task.

    Attributes:
        name: The task's name.
        version: Changes whenever a number could.
        kind: ``probe`` reads the encoder only, ``transfer`` fine-tunes a head in the source language.
        metrics: Metrics; tables show the first, and comparisons test it.
        licence: Licence of the data.
        source_language: Language that a transfer task is trained in, unless its option ``source`` names another.
        suites: Names that stand for several tasks (``otx eval xtreme``), with this task's place among them; tables of
            a comparison follow the order of the first suite.
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
    """One item of a task.

    Attributes:
        id: Identifier, unique in the task and language.
        cluster: Unit that the bootstrap resamples: paragraph, premise, or the example itself.
        fields: The task's own data.
    """

    id: str
    cluster: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Score:
    """Sufficient statistics of one example, which metrics sum and divide.

    Attributes:
        example: The example's ``id``.
        cluster: The example's ``cluster``.
        statistics: Matches and counts, 0/1 values, or ranks, by name.
    """

    example: str
    cluster: str
    statistics: Mapping[str, float]
