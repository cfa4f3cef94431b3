"""Transport problems picked out of a batch word by word, and POT's answers to them, in float64."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat

import numpy as np
import ot
import pytest
from numpy.typing import NDArray

from otx.types import Encoded, EncodedPair, Sides
from otx.views import Idf
from otx_transport.options import MeasureOptions
from tests import oracles

Array = NDArray[np.float64]
Problem = tuple[Array, Array, Array, Array]
"""Points ``[N, D]`` and ``[M, D]`` and their masses ``[N]`` and ``[M]``, which sum to 1."""

PICK: dict[str, Callable[[list[Array]], Array]] = {
    "last": lambda group: group[-1],
    "first": lambda group: group[0],
    "mean": lambda group: np.mean(group, 0),
}


def _points(encoded: Encoded, options: MeasureOptions) -> list[Array]:
    sides = []
    for row, index in zip(encoded.tokens[-1].tolist(), encoded.word_index.tolist(), strict=True):
        real = [t for t, word in enumerate(index) if word >= 0]
        groups = [[t for t in real if index[t] == word] for word in sorted({*index} - {-1})]
        if options.unit == "subwords":
            groups = [[t] for t in real]
        pick = PICK[options.word_vector]
        sides.append(np.array([pick([np.array(row[t]) for t in group]) for group in groups]))
    return sides


def _weights(points: Array, options: MeasureOptions, idf: Array | None) -> Array:
    if options.marginals == "norm":
        return np.asarray(np.linalg.norm(points, axis=1))
    if options.marginals == "idf":
        assert idf is not None
        return idf[: len(points)]
    return np.ones(len(points))


@pytest.fixture(scope="session")
def problems() -> Callable[[EncodedPair, MeasureOptions], list[Problem]]:
    """One problem for each pair, or one of all words, as the scope says."""

    def pick(pair: EncodedPair, options: MeasureOptions) -> list[Problem]:
        columns = []
        weights = pair[Idf] if options.marginals == "idf" else Sides(None, None)
        for encoded, idf in ((pair.source, weights.source), (pair.pivot, weights.pivot)):
            points = _points(encoded, options)
            rows = repeat(None) if idf is None else idf.double().numpy()
            weights = [_weights(p, options, i) for p, i in zip(points, rows, strict=False)]
            columns += [points, weights]
        if options.scope == "batch":
            columns = [[np.concatenate(column)] for column in columns]
        x, a, y, b = columns
        a, b = ([side / side.sum() for side in sides] for sides in (a, b))
        return list(zip(x, y, a, b, strict=True))

    return pick


@pytest.fixture(scope="session")
def pot_value() -> Callable[..., float]:
    """OT, or with ``debias`` S, of a problem; ``tau`` None is balanced."""

    def value(
        problem: Problem,
        *,
        cost: str,
        epsilon: float,
        debias: bool,
        tau: float | None = None,
    ) -> float:
        x, y, a, b = problem
        cross = _entropic(_distances(cost, x, y), a, b, epsilon, tau)
        if not debias:
            return cross
        left = _entropic(_distances(cost, x, x), a, a, epsilon, tau)
        right = _entropic(_distances(cost, y, y), b, b, epsilon, tau)
        return cross - (left + right) / 2

    return value


def _distances(cost: str, x: Array, y: Array) -> Array:
    if cost == "cosine":
        return np.asarray(ot.dist(x, y, metric="cosine"))
    squared = ((x[:, None] - y[None]) ** 2).sum(2)
    return np.sqrt(squared) if cost == "euclidean" else squared / 2


def _entropic(cost: Array, a: Array, b: Array, epsilon: float, tau: float | None) -> float:
    reference = np.outer(a, b)
    if tau is None:
        start = _symmetric(cost, a, epsilon) if a is b else None
        plan = ot.bregman.sinkhorn_knopp(
            a, b, cost, epsilon, numItermax=20_000, stopThr=1e-8, warn=False, warmstart=start
        )
        plan = oracles.balanced(plan, a, b)
        return float((plan * cost).sum()) + epsilon * _kl(plan, reference)
    plan = ot.unbalanced.sinkhorn_unbalanced(
        a, b, cost, epsilon, tau, reg_type="kl", c=reference, numItermax=5000, stopThr=1e-13
    )
    plan = oracles.relaxed(plan, a, b, cost, epsilon, tau)
    relaxed = tau * (_kl(plan.sum(1), a) + _kl(plan.sum(0), b))
    return float((plan * cost).sum()) + epsilon * _kl(plan, reference) + relaxed


def _symmetric(cost: Array, a: Array, epsilon: float) -> tuple[Array, Array]:
    """Logarithms of the scalings of a side against itself, by the averaged update of symmetric problems.

    From a start of ones POT's alternating updates need up to 200,000 iterations; here they have nothing to mend.
    """
    kernel, scaling = np.exp(-cost / epsilon), np.ones_like(a)
    for _ in range(500):
        scaling = np.sqrt(scaling * a / (kernel @ scaling))
    return np.log(scaling), np.log(scaling)


def _kl(p: Array, q: Array) -> float:
    positive = p > 0
    return float((p[positive] * np.log(p[positive] / q[positive])).sum() - p.sum() + q.sum())


@pytest.fixture(scope="session")
def distances() -> Callable[[str, Array, Array], Array]:
    """The costs ``[N, M]`` of a name, by POT."""
    return _distances


@pytest.fixture(scope="session")
def kl() -> Callable[[Array, Array], float]:
    """``sum p log(p / q) - p + q``."""
    return _kl
