"""What can be set for each objective, as ``[objective-name]`` or ``--set objective-name.key=``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otx.config.validation import SettingError
from otx.types import WordVector

Problems = Literal["sentence", "batch"]
"""Transport problems of a batch: one for each sentence pair, or a single one of all words."""


@dataclass(frozen=True)
class PointOptions:
    """Which points are transported, and how much each weighs.

    marginals: what a word's mass is in proportion to: ``uniform``; ``norm`` of its vector; ``idf``
        counted on the bitext (words only).
    unit: ``words`` or ``subwords``.
    layer: hidden layer of the vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    marginals: Literal["uniform", "norm", "idf"] = "uniform"
    unit: Literal["words", "subwords"] = "words"
    layer: int = -1
    word_vector: WordVector = "last"

    def __post_init__(self) -> None:
        """Check what goes together."""
        if self.marginals == "idf" and self.unit == "subwords":
            raise SettingError("marginals", "cannot be idf where unit is subwords: idf is of words")


@dataclass(frozen=True)
class MeasureOptions(PointOptions):
    """Points, masses, and which of them share a problem: what most objectives here share.

    scope: ``sentence``, every pair a problem of its own; ``batch``, all words of a side pooled.
    """

    scope: Problems = "sentence"


@dataclass(frozen=True)
class EntropicOptions(MeasureOptions):
    """Options of every objective that solves entropic problems to convergence.

    cost: ``cosine`` (1 - cos), ``euclidean``, ``squared-euclidean`` or ``half-squared-euclidean``
        distance, or ``dot`` (minus the product); all but the first are sums over dimensions, so
        they grow with the encoder's width and scale.
    epsilon: entropic regularisation, in the cost's units.
    tolerance: error of the marginals, in mass, within which a problem counts as converged.
    max_iterations: iterations after which a problem is left as it is.
    """

    cost: Literal["cosine", "euclidean", "squared-euclidean", "half-squared-euclidean", "dot"] = (
        "cosine"
    )
    epsilon: float = 0.1
    tolerance: float = 1e-6
    max_iterations: int = 200

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for name in ("epsilon", "tolerance", "max_iterations"):
            _above_zero(self, name)


@dataclass(frozen=True)
class SinkhornOptions(EntropicOptions):
    """Options of ``sinkhorn``.

    debias: take the divergence, which subtracts half of each side's transport to itself.
    """

    debias: bool = True


@dataclass(frozen=True)
class DivergenceOptions(EntropicOptions):
    """Options of ``divergence``."""

    scope: Problems = "batch"


@dataclass(frozen=True)
class SemiRelaxedOptions(EntropicOptions):
    """Options of ``semi-relaxed``.

    relaxed: the side whose words may stay without a partner: ``pivot`` or ``source``.
    tau: price of mass without a partner on that side, in the cost's units.
    """

    relaxed: Literal["pivot", "source"] = "pivot"
    tau: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        _above_zero(self, "tau")


@dataclass(frozen=True)
class PartialOptions(EntropicOptions):
    """Options of ``partial``.

    share: of each side's mass, how much is transported.
    """

    share: float = 0.8
    max_iterations: int = 2_000

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise SettingError("share", f"must be above 0 and at most 1, not {self.share:g}")


@dataclass(frozen=True)
class NullOptions(EntropicOptions):
    """Options of ``null``; its costs are scaled to a range of 0 to 1, so epsilon is a share of that range.

    mass: of the null word, beside a sentence's 1.
    """

    epsilon: float = 0.05
    mass: float = 1.0
    max_iterations: int = 2_000

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        _above_zero(self, "mass")


@dataclass(frozen=True)
class FusedGromovOptions(EntropicOptions):
    """Options of ``fused-gromov``.

    alpha: weight of the structure within the sentences, from 0 (``sinkhorn``, not debiased) to 1.
    """

    alpha: float = 0.5
    tolerance: float = 1e-5
    max_iterations: int = 100

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if not 0 <= self.alpha <= 1:
            raise SettingError("alpha", f"must be from 0 to 1, not {self.alpha:g}")


@dataclass(frozen=True)
class TransportLabelOptions(EntropicOptions):
    """Options of ``transport-label``.

    temperature: what the cosines of the softmax are divided by.
    labels: whose vectors the plan is made of: the encoder's ``own``, or the untouched
        ``reference`` encoder's.
    """

    epsilon: float = 0.05
    temperature: float = 0.1
    labels: Literal["own", "reference"] = "own"

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        _above_zero(self, "temperature")
        if self.labels == "reference" and self.marginals == "norm":
            raise SettingError("marginals", "cannot be norm where labels are the reference's")


@dataclass(frozen=True)
class TransportContrastOptions(PointOptions):
    """Options of ``transport-contrast``, whose cost is cosine.

    epsilon: entropic regularisation, in the cost's units.
    temperature: what the transport costs are divided by.
    group: sentences of a batch that are told from one another, at most; time grows with it.
    tolerance: error of the marginals, in mass, within which a problem counts as converged.
    max_iterations: iterations after which a problem is left as it is.
    """

    epsilon: float = 0.1
    temperature: float = 0.05
    group: int = 32
    tolerance: float = 1e-4
    max_iterations: int = 200

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for name in ("epsilon", "temperature", "tolerance", "max_iterations"):
            _above_zero(self, name)
        if self.group < 2:
            raise SettingError("group", f"must be at least 2, not {self.group}")


@dataclass(frozen=True)
class SlicedOptions(MeasureOptions):
    """Options of ``sliced``.

    directions: how many lines the words are projected on.
    normalise: bring every word to length 1 first.
    """

    directions: int = 64
    normalise: bool = True

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        _above_zero(self, "directions")


@dataclass(frozen=True)
class GaussianOptions(MeasureOptions):
    """Options of ``gaussian``.

    mmd: weight of the maximum mean discrepancy beside the distance of the two Gaussians.
    normalise: bring every word to length 1 first.
    """

    scope: Problems = "batch"
    mmd: float = 1.0
    normalise: bool = True

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        if not 0 <= self.mmd < float("inf"):
            raise SettingError("mmd", f"must be at least 0, not {self.mmd:g}")


@dataclass(frozen=True)
class UnbalancedOptions(SinkhornOptions):
    """Options of ``unbalanced``: those of ``sinkhorn``, and ``tau``.

    tau: price of mass without a partner, in the cost's units: a word at cost c from all others
        keeps about exp(-c / (2 tau)) of its mass.
    """

    tau: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        _above_zero(self, "tau")


@dataclass(frozen=True)
class AnnealedOptions(MeasureOptions):
    """Options of ``annealed-divergence``.

    blur: square root of the last epsilon, in the vectors' units.
    scaling: factor between two blurs of the schedule, below 1; nearer to 1 is slower and closer.
    """

    blur: float = 0.05
    scaling: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        _above_zero(self, "blur")
        if not 0 < self.scaling < 1:
            raise SettingError("scaling", f"must be between 0 and 1, not {self.scaling:g}")


def _above_zero(options: PointOptions, name: str) -> None:
    value = getattr(options, name)
    if not 0 < value < float("inf"):
        raise SettingError(name, f"must be above 0, not {value:g}")
