"""The interface of an encoder, with defaults for optional members."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from otx.errors import UsageError
from otx.types import (
    Encoded,
    TokenBatch,
    TokenRow,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from otx.interfaces.head import Head


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

    def encode_together(
        self, batches: Sequence[TokenBatch], layers: Sequence[int] = (-1,)
    ) -> list[Encoded]:
        """Compute hidden states of several batches, such as both sides of a pair.

        The default encodes one batch after the other.

        Args:
            batches: Batches of ``collate``.
            layers: Layers to return, as for ``encode``.

        Returns:
            The states of each batch.
        """
        return [self.encode(batch, layers) for batch in batches]

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
