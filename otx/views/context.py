"""The inputs of a view: the run's encoders and corpora, and the batch with its hidden states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from otx.types import Encoded, Sides, TokenBatch, TokenRow, WordVector

if TYPE_CHECKING:
    import numpy as np
    import torch

    from otx.config.schema import AlignSettings
    from otx.data.tokenised import TokenisedPairs
    from otx.interfaces import Corpus, Encoder
    from otx.types import Links

Value = TypeVar("Value")
Side = Literal["source", "pivot"]
SIDES: tuple[Side, Side] = ("source", "pivot")

TRAINED = "trained"
"""Name of the encoder that is trained, among ``ViewContext.encoders``."""


@dataclass(frozen=True, slots=True)
class ViewContext:
    """The parts of a run that views are computed from.

    Attributes:
        encoders: The encoders by name: ``trained``, and the auxiliary ones that the views ask for (``reference``,
            ``momentum``, ``teacher``).
        align: The run's table ``[align]``.
        word_vector: Vector of a word, from ``encoder.word_vector``.
        corpora: The training corpora.
        tokenised: Their sub-words, cut by the trained encoder's tokenizer.
        given_links: Reads the word links of each corpus, pair by pair; None for a corpus without links.
    """

    encoders: Mapping[str, Encoder]
    align: AlignSettings
    word_vector: WordVector
    corpora: Sequence[Corpus]
    tokenised: Sequence[TokenisedPairs]
    given_links: Callable[[], Sequence[Sequence[Links] | None]]

    @property
    def encoder(self) -> Encoder:
        """The encoder that is trained."""
        return self.encoders[TRAINED]


@dataclass(frozen=True, slots=True)
class Pass:
    """Hidden states that a view reads: one side, by one encoder.

    Attributes:
        encoder: Name of the encoder in ``ViewContext.encoders``.
        side: The side.
        layers: Hidden layers (-1 = last, 0 = embeddings).
    """

    encoder: str
    side: Side
    layers: frozenset[int]


@dataclass(frozen=True, slots=True)
class PairBatch:
    """The pairs of a batch, as rows and as padded tensors.

    Attributes:
        corpus: Number of the corpus in ``ViewContext.corpora``; all pairs are of one corpus.
        indices: Numbers of the pairs in that corpus ``[B]``.
        rows: Sub-words of each pair.
        source: Padded sub-words of the source side.
        pivot: Padded sub-words of the pivot side.
        seed: Seed of the random numbers of the micro-batch, the same on every process.
        first: Number of the first pair in the micro-batch, of which a process computes a part.
    """

    corpus: int
    indices: np.ndarray
    rows: Sides[Sequence[TokenRow]]
    source: TokenBatch
    pivot: TokenBatch
    seed: int = 0
    first: int = 0


class HiddenStates:
    """Hidden states of one batch; each encoder encodes all sides that a view reads, at once and once only.

    Args:
        encoders: The encoders by name.
        batch: The batch.
        layers: Layers to compute, by encoder and side: those of all passes together.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        batch: PairBatch,
        layers: Mapping[tuple[str, Side], Sequence[int]],
    ) -> None:
        self._encoders, self._batch, self._layers = encoders, batch, layers
        self._encoded: dict[str, Sides[Encoded]] = {}

    def side(self, encoder: str, side: Side) -> Encoded:
        """Return the hidden states of one side; those of auxiliary encoders carry no gradients.

        Args:
            encoder: Name of the encoder.
            side: The side.

        Returns:
            The states of all layers that any view reads; no layers if none reads any.
        """
        encoded: Encoded = getattr(self.sides(encoder), side)
        return encoded

    def sides(self, encoder: str) -> Sides[Encoded]:
        """Return the hidden states of both sides.

        Args:
            encoder: Name of the encoder.
        """
        if encoder not in self._encoded:
            self._encoded[encoder] = self._encode(encoder)
        return self._encoded[encoder]

    def _encode(self, encoder: str) -> Sides[Encoded]:
        import torch

        sides: dict[Side, Encoded] = {}
        by_layers: dict[tuple[int, ...], list[Side]] = {}
        for side in SIDES:
            tokens = self._tokens(side)
            sides[side] = Encoded({}, tokens.mask, tokens.word_index, tokens.word_counts)
            layers = tuple(self._layers.get((encoder, side), ()))
            if layers:
                by_layers.setdefault(layers, []).append(side)
        with torch.set_grad_enabled(encoder == TRAINED and torch.is_grad_enabled()):
            for layers, several in by_layers.items():
                batches = [self._tokens(side) for side in several]
                states = encode_together(self._encoders[encoder], batches, layers)
                sides |= zip(several, states, strict=True)
        return Sides(sides["source"], sides["pivot"])

    def _tokens(self, side: Side) -> TokenBatch:
        tokens: TokenBatch = getattr(self._batch, side)
        return tokens


def encode_together(
    encoder: Encoder, batches: Sequence[TokenBatch], layers: Sequence[int]
) -> list[Encoded]:
    """Encode several batches, at once if the encoder can.

    Args:
        encoder: The encoder.
        batches: Batches of its ``collate``.
        layers: Hidden layers.
    """
    # An encoder need not inherit from the interface, which has had this member only lately.
    together = getattr(encoder, "encode_together", None)
    if together is None:
        return [encoder.encode(batch, layers) for batch in batches]
    states: list[Encoded] = together(batches, layers)
    return states


@dataclass(frozen=True, slots=True)
class ViewMaker(Generic[Value]):
    """Computes a view for every batch of a run.

    Attributes:
        make: Computes the value from a batch and its hidden states. Random numbers of a pair should come from
            ``otx.views.random_numbers``, which gives a pair the same ones on any number of processes; torch's global
            generator is seeded at every step and differs between processes.
        passes: The hidden states that ``make`` reads.
    """

    make: Callable[[PairBatch, HiddenStates], Value]
    passes: tuple[Pass, ...] = ()


@dataclass(frozen=True, slots=True)
class FakeBatch:
    """A random batch for tests: word counts, and a random generator for all other numbers.

    Attributes:
        lengths: Words of the source and of the pivot side of each pair.
        dimension: Width of the vectors.
        random: The generator.
        sides: Random sub-words of both sides, with the hidden states of the ``States`` views.
    """

    lengths: Sequence[tuple[int, int]]
    dimension: int
    random: torch.Generator
    sides: Sides[Encoded]


def both_sides(encoder: str, layers: frozenset[int]) -> tuple[Pass, ...]:
    """Return the passes of one encoder over both sides.

    Args:
        encoder: Name of the encoder.
        layers: Hidden layers.
    """
    return tuple(Pass(encoder, side, layers) for side in SIDES)
