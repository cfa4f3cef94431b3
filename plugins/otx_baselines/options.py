"""What can be set for each objective, as ``[objective-name]`` or ``--set objective-name.key=``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otx.config.validation import SettingError
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


@dataclass(frozen=True, slots=True)
class TlmOptions:
    """Options of ``tlm``: none; which sub-words are masked is the engine's choice."""


@dataclass(frozen=True, slots=True)
class RealignOptions:
    """Options of ``realign``.

    strength: what a word is told from: ``weak``, the other side's words; ``strong``, both sides'.
    temperature: what the cosines are divided by.
    layer: hidden layer of the word vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    strength: Literal["weak", "strong"] = "strong"
    temperature: float = 0.1
    layer: int = -1
    word_vector: WordVector = "mean"

    def __post_init__(self) -> None:
        """Check the ranges."""
        _above_zero(self, "temperature")


@dataclass(frozen=True, slots=True)
class LinearOptions:
    """Options of ``linear``.

    orthogonal: let the map only turn and mirror.
    layer: hidden layer of the word vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    orthogonal: bool = False
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class SentenceContrastiveOptions:
    """Options of ``sentence-contrastive``.

    temperature: what the cosines are divided by.
    margin: what is taken off a translation's cosine first.
    queue: sentences of earlier batches that are kept as further negatives, on each side; 0 = none.
    layer: hidden layer of the sentence vectors (-1 = last).
    """

    temperature: float = 0.05
    margin: float = 0.3
    queue: int = 0
    layer: int = -1

    def __post_init__(self) -> None:
        """Check the ranges."""
        _above_zero(self, "temperature")
        _from_zero(self, "margin")
        _from_zero(self, "queue")


@dataclass(frozen=True, slots=True)
class InterpolateOptions:
    """Options of ``interpolate``.

    distance: how far a word is from where it was: ``squared``, the squared L2 norm of the
        difference; ``cosine``, 1 - cos.
    layer: hidden layer of the word vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    distance: Literal["squared", "cosine"] = "squared"
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class DistillOptions:
    """Options of ``distill``.

    form: what is compared with the teacher's pivot side: ``sentence``, both sides' sentence
        vectors; ``token``, the pivot side's sub-words, for a teacher with the same tokenizer.
    teacher_width: dimension of the teacher's vectors where it is another than the encoder's, for a
        trained linear map from the one to the other; ``none`` where they are alike.
    layer: hidden layer of the encoder's vectors (-1 = last).
    """

    form: Literal["sentence", "token"] = "sentence"
    teacher_width: int | None = None
    layer: int = -1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.teacher_width is not None:
            _above_zero(self, "teacher_width")


@dataclass(frozen=True, slots=True)
class AdversarialOptions:
    """Options of ``adversarial``.

    unit: what the discriminator reads: ``words`` or ``sentences``.
    reversal: factor on the reversed gradient that goes into the encoder.
    hidden: width of the discriminator's inner layer.
    layer: hidden layer of the vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    unit: Literal["words", "sentences"] = "words"
    reversal: float = 1.0
    hidden: int = 128
    layer: int = -1
    word_vector: WordVector = "last"

    def __post_init__(self) -> None:
        """Check the ranges."""
        _above_zero(self, "reversal")
        _above_zero(self, "hidden")


@dataclass(frozen=True, slots=True)
class SelfTrainingOptions:
    """Options of ``self-training``.

    threshold: probability in both directions above which two units count as aligned.
    unit: ``words`` or ``subwords``.
    layer: hidden layer of the vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    threshold: float = 0.001
    unit: Literal["words", "subwords"] = "subwords"
    layer: int = -1
    word_vector: WordVector = "last"

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 <= self.threshold < 1:
            raise SettingError("threshold", f"must be from 0 to below 1, not {self.threshold:g}")


def _above_zero(options: object, name: str) -> None:
    value = getattr(options, name)
    if not 0 < value < float("inf"):
        raise SettingError(name, f"must be above 0, not {value:g}")


def _from_zero(options: object, name: str) -> None:
    value = getattr(options, name)
    if not 0 <= value < float("inf"):
        raise SettingError(name, f"must be at least 0, not {value:g}")
