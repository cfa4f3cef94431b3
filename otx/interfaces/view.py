"""The interface of a view: a part of a batch that objectives read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

from otx.tensor_tree import map_tensors

if TYPE_CHECKING:
    from torch import Tensor

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
        return map_tensors(
            lambda tensor: tensor[rows],
            value,
            on_host=lambda known: None if known is None else known[rows],
        )

    @classmethod
    def pad(cls, value: Value, count: int) -> Value:
        """Return the value with more padding, which an objective must not read; by default unchanged.

        Args:
            value: The value.
            count: Sub-words of padding to add to each side (``otx.views.fakes.pad_encoded``).
        """
        return value
