"""Options of the baseline objectives: table ``[objective-name]``, or ``--set objective-name.key=value``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from otx.config.validation import Constrained
from otx.types import WordVector


@dataclass(frozen=True, slots=True)
class L2Options(Constrained):
    """Options of ``l2``.

    Attributes:
        special_tokens: Also link the first and the last special tokens of each pair, as the code of Cao et al. does.
        layer: Hidden layer of the word vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    special_tokens: bool = False
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class ContrastiveOptions(Constrained):
    """Options of ``contrastive``.

    Attributes:
        strength: Negatives of a word: ``weak``, the words of the other side; ``strong``, the words of both sides.
        temperature: Divisor of the cosines.
        projector: Output dimension of a trained two-layer projection before the cosine; ``none`` projects nothing.
        layer: Hidden layer of the word vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    strength: Literal["weak", "strong"] = "strong"
    temperature: Annotated[float, Gt(0)] = 0.1
    projector: Annotated[int, Ge(1)] | None = None
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class KeepCloseOptions(Constrained):
    """Options of ``keep-close``.

    Attributes:
        kind: What is held near the initial encoder: ``hidden``, the words of the pivot side; ``parameters``.
        reduction: Reduction of the squared norms over the words of a batch: ``mean``, ``sum``, or ``mse``, the mean
            over words and dimensions. This and the following options are for ``hidden`` only.
        special_tokens: Also hold the first and the last special tokens close, as the code of Cao et al. does.
        layer: Hidden layer of the word vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    kind: Literal["hidden", "parameters"] = "hidden"
    reduction: Literal["mean", "sum", "mse"] = "mean"
    special_tokens: bool = False
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class MlmOptions(Constrained):
    """Options of ``mlm``: none. The ``masked`` view chooses the masked sub-words."""


@dataclass(frozen=True, slots=True)
class TlmOptions(Constrained):
    """Options of ``tlm``: none. The ``tlm`` view chooses the masked sub-words."""


@dataclass(frozen=True, slots=True)
class RealignOptions(Constrained):
    """Options of ``realign``.

    Attributes:
        strength: Negatives of a word: ``weak``, the words of the other side; ``strong``, the words of both sides.
        temperature: Divisor of the cosines.
        layer: Hidden layer of the word vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    strength: Literal["weak", "strong"] = "strong"
    temperature: Annotated[float, Gt(0)] = 0.1
    layer: int = -1
    word_vector: WordVector = "mean"


@dataclass(frozen=True, slots=True)
class LinearOptions(Constrained):
    """Options of ``linear``.

    Attributes:
        orthogonal: Restrict the map to rotations and reflections.
        layer: Hidden layer of the word vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    orthogonal: bool = False
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class SentenceContrastiveOptions(Constrained):
    """Options of ``sentence-contrastive``.

    Attributes:
        temperature: Divisor of the cosines.
        margin: Amount that is subtracted from the cosine of a translation first.
        queue: Number of sentences of earlier batches that are kept as further negatives, on each side; 0 keeps none.
        layer: Hidden layer of the sentence vectors; -1 is the last.
    """

    temperature: Annotated[float, Gt(0)] = 0.05
    margin: Annotated[float, Ge(0)] = 0.3
    queue: Annotated[int, Ge(0)] = 0
    layer: int = -1


@dataclass(frozen=True, slots=True)
class InterpolateOptions(Constrained):
    """Options of ``interpolate``.

    Attributes:
        distance: Distance of a word from its initial vector: ``squared``, the squared L2 norm of the difference;
            ``cosine``, 1 - cos.
        layer: Hidden layer of the word vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    distance: Literal["squared", "cosine"] = "squared"
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class DistillOptions(Constrained):
    """Options of ``distill``.

    Attributes:
        form: What is compared with the teacher's pivot side: ``sentence``, the sentence vectors of both sides;
            ``token``, the sub-words of the pivot side, for a teacher with the same tokenizer.
        teacher_width: Dimension of the teacher's vectors if it differs from the encoder's: a trained linear map then
            leads from one to the other; ``none`` if they are equal.
        layer: Hidden layer of the encoder's vectors; -1 is the last.
    """

    form: Literal["sentence", "token"] = "sentence"
    teacher_width: Annotated[int, Gt(0)] | None = None
    layer: int = -1


@dataclass(frozen=True, slots=True)
class AdversarialOptions(Constrained):
    """Options of ``adversarial``.

    Attributes:
        unit: What the discriminator reads: ``words`` or ``sentences``.
        reversal: Factor of the reversed gradient that reaches the encoder.
        hidden: Width of the discriminator's hidden layer.
        layer: Hidden layer of the vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    unit: Literal["words", "sentences"] = "words"
    reversal: Annotated[float, Gt(0)] = 1.0
    hidden: Annotated[int, Gt(0)] = 128
    layer: int = -1
    word_vector: WordVector = "last"


@dataclass(frozen=True, slots=True)
class SelfTrainingOptions(Constrained):
    """Options of ``self-training``.

    Attributes:
        threshold: Probability, in both directions, above which two units count as aligned.
        unit: Units that are aligned: ``words`` or ``subwords``.
        layer: Hidden layer of the vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    threshold: Annotated[float, Interval(ge=0, lt=1)] = 0.001
    unit: Literal["words", "subwords"] = "subwords"
    layer: int = -1
    word_vector: WordVector = "last"
