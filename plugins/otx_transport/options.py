"""What can be set for each objective, as ``[objective-name]`` or ``--set objective-name.key=``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otx.options import SettingError
from otx.types import Scope, WordVector


@dataclass(frozen=True)
class MeasureOptions:
    """Which points are transported, and how much each weighs: what the objectives here share.

    marginals: what a word's mass is in proportion to: ``uniform``; ``norm`` of its vector; ``idf``
        counted on the bitext (words only).
    scope: ``sentence``, every pair a problem of its own; ``batch``, all words of a side pooled.
    unit: ``words`` or ``subwords``.
    layer: hidden layer of the vectors (-1 = last).
    word_vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    """

    marginals: Literal["uniform", "norm", "idf"] = "uniform"
    scope: Scope = "sentence"
    unit: Literal["words", "subwords"] = "words"
    layer: int = -1
    word_vector: WordVector = "last"

    def __post_init__(self) -> None:
        """Check what goes together."""
        if self.marginals == "idf" and self.unit == "subwords":
            raise SettingError("marginals", "cannot be idf where unit is subwords: idf is of words")


@dataclass(frozen=True)
class SinkhornOptions(MeasureOptions):
    """Options of ``sinkhorn``.

    cost: ``cosine`` (1 - cos), ``euclidean``, ``squared-euclidean`` or ``half-squared-euclidean``
        distance, or ``dot`` (minus the product); all but the first are sums over dimensions, so
        they grow with the encoder's width and scale.
    epsilon: entropic regularisation, in the cost's units.
    debias: take the divergence, which subtracts half of each side's transport to itself.
    tolerance: error of the marginals, in mass, within which a problem counts as converged.
    max_iterations: iterations after which a problem is left as it is.
    """

    cost: Literal["cosine", "euclidean", "squared-euclidean", "half-squared-euclidean", "dot"] = (
        "cosine"
    )
    epsilon: float = 0.1
    debias: bool = True
    tolerance: float = 1e-6
    max_iterations: int = 200

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for name in ("epsilon", "tolerance", "max_iterations"):
            _above_zero(self, name)


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


def _above_zero(options: MeasureOptions, name: str) -> None:
    value = getattr(options, name)
    if not 0 < value < float("inf"):
        raise SettingError(name, f"must be above 0, not {value:g}")
