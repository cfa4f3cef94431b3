"""Options of the transport objectives: table ``[objective-name]``, or ``--set objective-name.key=value``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from otx.config.validation import Constrained, SettingError
from otx.types import WordVector


@dataclass(frozen=True)
class PointOptions(Constrained):
    """Options that choose the points to transport and their masses.

    Attributes:
        marginals: Mass of a word: ``uniform``, the ``norm`` of its vector, or its ``idf`` counted on the bitext (words
            only).
        unit: Points that are transported: ``words`` or ``subwords``.
        layer: Hidden layer of the vectors; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
    """

    marginals: Literal["uniform", "norm", "idf"] = "uniform"
    unit: Literal["words", "subwords"] = "words"
    layer: int = -1
    word_vector: WordVector = "last"

    def __post_init__(self) -> None:
        """Check the ranges, and that idf masses belong to words."""
        super().__post_init__()
        if self.marginals == "idf" and self.unit == "subwords":
            raise SettingError("marginals", "cannot be idf where unit is subwords: idf is of words")


@dataclass(frozen=True)
class MeasureOptions(PointOptions):
    """Options that also choose which points share a transport problem.

    Attributes:
        scope: ``sentence`` solves one problem per pair; ``batch`` pools all words of each side into one problem.
    """

    scope: Literal["sentence", "batch"] = "sentence"


@dataclass(frozen=True)
class EntropicOptions(MeasureOptions):
    """Options of every objective that solves entropic problems to convergence.

    Attributes:
        cost: Cost between two words: ``cosine`` (1 - cos), ``euclidean``, ``squared-euclidean`` or
            ``half-squared-euclidean`` distance, or ``dot`` (minus the dot product). All but ``cosine`` are sums over
            dimensions, so they grow with the encoder's width and scale.
        epsilon: Strength of the entropic regularisation, in the unit of the cost.
        tolerance: Error of the marginals, in mass, below which a problem counts as converged.
        max_iterations: Maximum number of iterations per problem.
    """

    cost: Literal["cosine", "euclidean", "squared-euclidean", "half-squared-euclidean", "dot"] = (
        "cosine"
    )
    epsilon: Annotated[float, Gt(0)] = 0.1
    tolerance: Annotated[float, Gt(0)] = 1e-6
    max_iterations: Annotated[int, Gt(0)] = 200


@dataclass(frozen=True)
class SinkhornOptions(EntropicOptions):
    """Options of ``sinkhorn``.

    Attributes:
        debias: Minimise the Sinkhorn divergence, which subtracts half of the transport of each side to itself.
    """

    debias: bool = True


@dataclass(frozen=True)
class DivergenceOptions(EntropicOptions):
    """Options of ``divergence``."""

    scope: Literal["sentence", "batch"] = "batch"


@dataclass(frozen=True)
class SemiRelaxedOptions(EntropicOptions):
    """Options of ``semi-relaxed``.

    Attributes:
        relaxed: Side whose words may stay without a partner: ``pivot`` or ``source``.
        tau: Price of missing mass on that side, in the unit of the cost.
    """

    relaxed: Literal["pivot", "source"] = "pivot"
    tau: Annotated[float, Gt(0)] = 0.1


@dataclass(frozen=True)
class PartialOptions(EntropicOptions):
    """Options of ``partial``.

    Attributes:
        share: Share of the mass of each side that is transported.
    """

    share: Annotated[float, Interval(gt=0, le=1)] = 0.8
    max_iterations: Annotated[int, Gt(0)] = 2_000


@dataclass(frozen=True)
class NullOptions(EntropicOptions):
    """Options of ``null``, which scales its costs to the range 0 to 1: epsilon is a share of that range.

    Attributes:
        mass: Mass of the null word, next to a sentence's mass of 1.
    """

    epsilon: Annotated[float, Gt(0)] = 0.05
    mass: Annotated[float, Gt(0)] = 1.0
    max_iterations: Annotated[int, Gt(0)] = 2_000


@dataclass(frozen=True)
class FusedGromovOptions(EntropicOptions):
    """Options of ``fused-gromov``.

    Attributes:
        alpha: Weight of the structure within the sentences, from 0 (``sinkhorn`` without debiasing) to 1.
    """

    alpha: Annotated[float, Interval(ge=0, le=1)] = 0.5
    tolerance: Annotated[float, Gt(0)] = 1e-5
    max_iterations: Annotated[int, Gt(0)] = 100


@dataclass(frozen=True)
class TransportLabelOptions(EntropicOptions):
    """Options of ``transport-label``.

    Attributes:
        temperature: Divisor of the cosines in the softmax.
        labels: Vectors that the plan is computed from: the encoder's ``own``, or those of the initial encoder
            (``reference``).
    """

    epsilon: Annotated[float, Gt(0)] = 0.05
    temperature: Annotated[float, Gt(0)] = 0.1
    labels: Literal["own", "reference"] = "own"

    def __post_init__(self) -> None:
        """Check the ranges, and that norm masses belong to the encoder's own vectors."""
        super().__post_init__()
        if self.labels == "reference" and self.marginals == "norm":
            raise SettingError("marginals", "cannot be norm where labels are the reference's")


@dataclass(frozen=True)
class TransportContrastOptions(PointOptions):
    """Options of ``transport-contrast``, whose cost is cosine.

    Attributes:
        epsilon: Strength of the entropic regularisation, in the unit of the cost.
        temperature: Divisor of the transport costs in the softmax.
        group: Maximum number of sentences of a batch that are contrasted with one another; time grows with it.
        tolerance: Error of the marginals, in mass, below which a problem counts as converged.
        max_iterations: Maximum number of iterations per problem.
    """

    epsilon: Annotated[float, Gt(0)] = 0.1
    temperature: Annotated[float, Gt(0)] = 0.05
    group: Annotated[int, Ge(2)] = 32
    tolerance: Annotated[float, Gt(0)] = 1e-4
    max_iterations: Annotated[int, Gt(0)] = 200


@dataclass(frozen=True)
class SlicedOptions(MeasureOptions):
    """Options of ``sliced``.

    Attributes:
        directions: Number of lines on which the words are projected.
        normalise: Scale every word vector to length 1 first.
    """

    directions: Annotated[int, Gt(0)] = 64
    normalise: bool = True


@dataclass(frozen=True)
class GaussianOptions(MeasureOptions):
    """Options of ``gaussian``.

    Attributes:
        mmd: Weight of the maximum mean discrepancy, next to the distance of the two Gaussians.
        normalise: Scale every word vector to length 1 first.
    """

    scope: Literal["sentence", "batch"] = "batch"
    mmd: Annotated[float, Ge(0)] = 1.0
    normalise: bool = True


@dataclass(frozen=True)
class UnbalancedOptions(SinkhornOptions):
    """Options of ``unbalanced``: those of ``sinkhorn``, and ``tau``.

    Attributes:
        tau: Price of mass without a partner, in the unit of the cost: a word whose cost to all others is c keeps about
            exp(-c / (2 tau)) of its mass.
    """

    tau: Annotated[float, Gt(0)] = 0.5


@dataclass(frozen=True)
class AnnealedOptions(MeasureOptions):
    """Options of ``annealed-divergence``.

    Attributes:
        blur: Square root of the last epsilon, in the unit of the vectors.
        scaling: Ratio of successive blurs in the schedule; closer to 1 is slower and more accurate.
    """

    blur: Annotated[float, Gt(0)] = 0.05
    scaling: Annotated[float, Interval(gt=0, lt=1)] = 0.5
