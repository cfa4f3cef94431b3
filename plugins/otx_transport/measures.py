"""From a batch of pairs to the two measures, points with masses, of each transport problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from otx.ot.problems.masses import by_norm, from_weights, uniform
from otx.types import Encoded, EncodedPair
from otx.views import Idf, States, View
from otx_transport.options import MeasureOptions, PointOptions


@dataclass(frozen=True, eq=False)
class Measures:
    """The two sides of P transport problems: as many as pairs, or one where the batch is pooled.

    ``x [P, N, D]`` and ``y [P, M, D]`` are the source's and the pivot's points; their masses
    ``a [P, N]`` and ``b [P, M]`` sum to 1 in every problem and are 0 at padding.
    """

    x: Tensor
    y: Tensor
    a: Tensor
    b: Tensor


def views(options: PointOptions) -> frozenset[View[Any]]:
    """The views that ``measures`` and ``apart`` read."""
    states = frozenset[View[Any]]({States(options.layer)})
    return states | {Idf()} if options.marginals == "idf" else states


def measures(pair: EncodedPair, options: MeasureOptions) -> Measures:
    """The batch's measures, pooled or apart as the scope says.

    Raises ProblemError, naming the problem, for a side without words.
    """
    return _both(pair, options, pooled=options.scope == "batch")


def apart(pair: EncodedPair, options: PointOptions) -> Measures:
    """The measures of every pair. Raises ProblemError, naming the problem, for a side without words."""
    return _both(pair, options, pooled=False)


def _both(pair: EncodedPair, options: PointOptions, pooled: bool) -> Measures:
    idf = pair[Idf] if options.marginals == "idf" else None
    x, a = _side(pair.source, None if idf is None else idf.source, options, pooled)
    y, b = _side(pair.pivot, None if idf is None else idf.pivot, options, pooled)
    return Measures(x, y, a, b)


def _side(
    encoded: Encoded, idf: Tensor | None, options: PointOptions, pooled: bool
) -> tuple[Tensor, Tensor]:
    if options.unit == "words":
        points, mask = encoded.words(options.layer, options.word_vector)
    else:
        points, mask = encoded.subwords(options.layer)
    if pooled:
        idf = None if idf is None else idf[mask].unsqueeze(0)
        points, mask = points[mask].unsqueeze(0), mask[mask].unsqueeze(0)
    if options.marginals == "norm":
        return points, by_norm(points, mask)
    if idf is not None:
        return points, from_weights(idf, mask)
    return points, uniform(mask)
