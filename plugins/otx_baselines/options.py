"""What can be set for each objective, as ``[objective-name]`` or ``--set objective-name.key=``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otx.options import SettingError
from otx.types import WordVector


@dataclass(frozen=True, slots=True)
class L2Options:
    """Options of ``l2``.

    special_tokens: link each pair's first and last special tokens too, as Cao et al.'s code does.
    layer: hidden layer of the word vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    special_tokens: bool = False
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class ContrastiveOptions:
    """Options of ``contrastive``.

    strength: what a word is told from: ``weak``, the other side's words; ``strong``, both sides'.
    temperature: what the cosines are divided by.
    projector: dimension onto which two trained layers project the words first; ``none`` does not.
    layer: hidden layer of the word vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    strength: Literal["weak", "strong"] = "strong"
    temperature: float = 0.1
    projector: int | None = None
    layer: int = -1
    word_vector: WordVector = "last"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.temperature < float("inf"):
            raise SettingError("temperature", f"must be above 0, not {self.temperature:g}")
        if self.projector is not None and self.projector < 1:
            raise SettingError("projector", f"must be at least 1, not {self.projector}")


@dataclass(frozen=True, slots=True)
class KeepCloseOptions:
    """Options of ``keep-close``.

    kind: what is held near the initial encoder: ``hidden``, the pivot side's words; ``parameters``.
    reduction: over the words of a batch: ``mean`` or ``sum`` of the squared norms, or ``mse``, the
        mean over words and dimensions (``hidden`` only, as all that follows).
    special_tokens: hold first and last special tokens close too, as Cao et al.'s code does.
    layer: hidden layer of the word vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    kind: Literal["hidden", "parameters"] = "hidden"
    reduction: Literal["mean", "sum", "mse"] = "mean"
    special_tokens: bool = False
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class MlmOptions:
    """Options of ``mlm``: none; which sub-words are masked is the engine's choice."""
