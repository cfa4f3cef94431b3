"""Paired, clustered bootstrap: intervals and p-values of differences between systems.

A *replicated* number is an array ``[1 + samples]``: first the number as observed, then the same number in every
bootstrap sample. All systems of a table share the draws, which pairs them. All languages that share clusters share
them too, which makes a mean over languages joint. Means and differences of numbers are therefore means and differences
of arrays, and ``interval`` reads the result from such an array.

Examples are resampled by cluster (paragraph, premise). A seed is a pair (alignment seed, head seed). Heads trained on
one alignment are averaged, so that repeating heads does not count as repeating the alignment. Where there are several,
heads are resampled among themselves and alignments among themselves. Two systems with the same seeds draw the same
seeds.

References:
    Koehn (2004), "Statistical Significance Tests for Machine Translation Evaluation".
    https://aclanthology.org/W04-3250
    Davison and Hinkley (1997), "Bootstrap Methods and their Application", sections 3.8 and 4.2.
    https://doi.org/10.1017/CBO9780511802843
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otx.errors import DataError
from otx.types import Metric, Score

Seed = tuple[int | None, int | None]
"""(alignment seed, head seed)."""
Measured = Mapping[Seed, Sequence[Score]]
"""The scores of one system in one language, seed by seed."""
Replicated = NDArray[np.float64]
"""``[1 + samples]``: a number as observed, then in every bootstrap sample."""

CONFIDENCE = 0.95
"""Confidence of every interval."""
_CHUNK = 2_000
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference with its percentile interval and two-sided p.

    Undefined numbers are NaN.

    Attributes:
        difference: The difference as observed.
        low: Lower end of the interval of confidence ``CONFIDENCE``.
        high: Upper end of the interval.
        p: Two-sided p-value of the hypothesis that the difference is zero.
    """

    difference: float
    low: float
    high: float
    p: float


def summed(scores: Iterable[Score]) -> dict[str, float]:
    """Sum every statistic over the examples.

    Args:
        scores: Scores of examples.

    Returns:
        Sum by name of the statistic.

    Example:
        >>> summed([Score("a", "x", {"hit": 1.0}), Score("b", "x", {"hit": 0.5})])
        {'hit': 1.5}
    """
    total: dict[str, float] = {}
    for score in scores:
        for name, value in score.statistics.items():
            total[name] = total.get(name, 0.0) + value
    return total


def clusters_of(scores: Sequence[Score]) -> dict[str, str]:
    """Return the cluster of every example.

    Args:
        scores: Scores of one system in one language with one seed.

    Returns:
        Cluster by example.

    Raises:
        DataError: If an example is scored twice, or none is scored.
    """
    clusters: dict[str, str] = {}
    for score in scores:
        if score.example in clusters:
            raise DataError(f"example {score.example} is scored twice", "evaluate it again")
        clusters[score.example] = score.cluster
    if not clusters:
        raise DataError("no example is scored", "evaluate it again")
    return clusters


class Resampling:
    """The bootstrap draws that all systems of one comparison share.

    Attributes:
        examples: For every language, the cluster of every example.
        samples: Number of bootstrap samples.
        seed: Seed of the draws.
        clusters: For every language, its clusters in order.
    """

    def __init__(
        self, examples: Mapping[str, Mapping[str, str]], *, samples: int = 2_000, seed: int = 1
    ) -> None:
        """Prepare the draws; they are made when the first language needs them.

        Args:
            examples: For every language, the cluster of every example.
            samples: Number of bootstrap samples.
            seed: Seed of the draws.
        """
        self.examples = examples
        self.samples = samples
        self.seed = seed
        self.clusters = {name: sorted(set(held.values())) for name, held in examples.items()}
        self._together = _components(self.clusters)
        self._drawn: tuple[list[str], NDArray[np.int16]] = [], np.empty((0, 0), np.int16)

    def replicate(
        self, language: str, systems: Mapping[str, Measured], metric: Metric
    ) -> dict[str, Replicated]:
        """Compute the metric of every system in one language, averaged over seeds.

        Args:
            language: A language of ``examples``.
            systems: Scores by system and seed.
            metric: The metric, computed from summed statistics.

        Returns:
            Replicated metric ``[1 + samples]`` by system. It is NaN where the metric is undefined, and in every sample
            if the language has only one cluster.

        Raises:
            DataError: If the examples are not those of the comparison.
        """
        seeds = {label: sorted(measured, key=_order) for label, measured in systems.items()}
        scores = [systems[label][seed] for label in seeds for seed in seeds[label]]
        totals = self._resampled(language, scores, metric)
        with np.errstate(all="ignore"):
            values = np.array(metric.compute(totals), dtype=np.float64)
        values[~np.isfinite(values)] = np.nan
        if len(self.clusters[language]) == 1:
            values[1:] = np.nan
        replicated, place = {}, 0
        for label, ordered in seeds.items():
            end = place + len(ordered)
            replicated[label] = self._over_seeds(ordered, values[:, place:end])
            place = end
        return replicated

    def _resampled(
        self, language: str, runs: Sequence[Sequence[Score]], metric: Metric
    ) -> dict[str, NDArray[np.float64]]:
        """Sum the statistics that the metric reads over the clusters drawn: each ``[1 + samples, runs]``."""
        names = _statistics_read(metric, summed(runs[0]))
        sums = np.concatenate([self._cluster_sums(language, run, names) for run in runs])
        weights = self._weights(language)
        totals = np.empty((len(weights), len(sums)))
        for start in range(0, len(weights), _CHUNK):
            drawn = weights[start : start + _CHUNK].astype(np.float64)
            # Not `@`: BLAS threads that wait for a busy core make it a hundred times slower.
            np.einsum("bc,sc->bs", drawn, sums, out=totals[start : start + _CHUNK])
        return {name: totals[:, i :: len(names)] for i, name in enumerate(names)}

    def _cluster_sums(
        self, language: str, scores: Sequence[Score], names: Sequence[str]
    ) -> NDArray[np.float64]:
        """Sum statistics by cluster: ``[statistics, clusters]``."""
        _refuse_other_examples(language, self.examples[language], clusters_of(scores))
        place = {cluster: i for i, cluster in enumerate(self.clusters[language])}
        places = [place[score.cluster] for score in scores]
        sums = np.zeros((len(names), len(place)))
        for row, name in zip(sums, names, strict=True):
            np.add.at(row, places, [score.statistics.get(name, 0.0) for score in scores])
        return sums

    def _weights(self, language: str) -> NDArray[np.int16]:
        """Count how often each of the language's clusters is drawn: ``[1 + samples, clusters]``."""
        together, clusters = self._together[language], self.clusters[language]
        if self._drawn[0] != together:
            rng = self._rng("clusters", *together)
            self._drawn = together, _draw(rng, len(together), self.samples)
        if len(clusters) == len(together):
            return self._drawn[1]
        place = {cluster: i for i, cluster in enumerate(together)}
        return self._drawn[1][:, [place[cluster] for cluster in clusters]]

    def _over_seeds(self, seeds: Sequence[Seed], values: NDArray[np.float64]) -> Replicated:
        """Average ``values [1 + samples, seeds]`` over heads drawn, then over alignments drawn."""
        alignments: dict[int | None, list[int]] = {}
        for place, (alignment, _) in enumerate(seeds):
            alignments.setdefault(alignment, []).append(place)
        averaged = [
            self._mean_of_drawn("heads", [seeds[i][1] for i in places], values[:, places])
            for places in alignments.values()
        ]
        return self._mean_of_drawn("alignments", list(alignments), np.stack(averaged, axis=1))

    def _mean_of_drawn(
        self, what: str, names: Sequence[int | None], values: NDArray[np.float64]
    ) -> Replicated:
        weights = _draw(self._rng(what, *map(str, names)), len(names), self.samples)
        mean: Replicated = (weights * values).sum(1) / len(names)
        return mean

    def _rng(self, *what: str) -> np.random.Generator:
        # Seeded by the names of what is drawn, so that a draw does not depend on the draws before it.
        digest = hashlib.sha256("\0".join(what).encode()).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest[:8])])


def interval(difference: Replicated) -> Interval:
    """Return the percentile interval and the two-sided p of a replicated difference.

    p inverts the interval: it is twice the share of samples on the far side of zero. Zero itself counts on both sides,
    and each count is raised by one so that p is never 0.

    Args:
        difference: Replicated difference ``[1 + samples]``, in the unit of the metric.

    Returns:
        The interval; low, high and p are NaN if any sample is not finite.

    References:
        Davison and Hinkley (1997), "Bootstrap Methods and their Application", section 4.2.
        https://doi.org/10.1017/CBO9780511802843
    """
    if not np.isfinite(difference).all():
        return Interval(float(difference[0]), np.nan, np.nan, np.nan)
    # Equal systems whose means were rounded differently are equal.
    difference = np.where(abs(difference) < _ROUNDING, 0.0, difference)
    drawn = difference[1:]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    far = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * (far + 1) / (len(drawn) + 1))
    return Interval(float(difference[0]), float(low), float(high), float(p))


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple tests by Holm's step-down method.

    Args:
        ps: p-values; NaN marks a test that was not made.

    Returns:
        Adjusted p-values in the same order; NaN stays NaN and is not counted.

    Example:
        >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03, 0.005])]
        [0.03, 0.06, 0.06, 0.02]

    References:
        Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure". https://www.jstor.org/stable/4615733
    """
    tested = sorted((p, place) for place, p in enumerate(ps) if not np.isnan(p))
    adjusted = [float("nan")] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        adjusted[place] = highest
    return adjusted


def _draw(rng: np.random.Generator, count: int, samples: int) -> NDArray[np.int16]:
    """Count how often each of ``count`` things is drawn when ``count`` are drawn with replacement.

    ``[1 + samples, count]``; the first row is the sample as observed, with each of them once.
    """
    weights = np.ones((1 + samples, count), dtype=np.int16)
    for start in range(0, samples, _CHUNK):
        rows = min(_CHUNK, samples - start)
        drawn = rng.integers(count, size=(rows, count))
        drawn += np.arange(rows)[:, None] * count
        counts = np.bincount(drawn.ravel(), minlength=rows * count)
        weights[1 + start : 1 + start + rows] = counts.reshape(rows, count)
    return weights


class _Recorder(Mapping[str, np.float64]):
    """Sums that record which of them were read, in whatever way."""

    def __init__(self, sums: Mapping[str, float]) -> None:
        self.sums = sums
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> np.float64:
        value = np.float64(self.sums[name])
        self.read.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.sums)

    def __len__(self) -> int:
        return len(self.sums)


def _statistics_read(metric: Metric, sums: Mapping[str, float]) -> list[str]:
    recorder = _Recorder(sums)
    with np.errstate(all="ignore"):
        metric.compute(recorder)
    return sorted(recorder.read)


def _components(clusters: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return, for every language, the clusters of all languages that it shares clusters with.

    Sharing is transitive: of three languages, two may share clusters only through the third.
    """
    components: list[tuple[set[str], set[str]]] = []
    for language, names in clusters.items():
        languages, together = {language}, set(names)
        apart = []
        for component in components:
            if component[1] & together:
                languages, together = languages | component[0], together | component[1]
            else:
                apart.append(component)
        components = [*apart, (languages, together)]
    return {
        language: sorted(together) for languages, together in components for language in languages
    }


def _refuse_other_examples(
    language: str, expected: Mapping[str, str], scored: Mapping[str, str]
) -> None:
    if expected != scored:
        differing = {*expected.items()} ^ {*scored.items()}
        raise DataError(
            f"{language}: scored on different examples, {min(differing)[0]} being one",
            "evaluate both on the same data",
        )


def _order(seed: Seed) -> list[tuple[bool, int]]:
    return [(number is not None, number or 0) for number in seed]
