"""What a difference between two systems is worth: a paired, clustered bootstrap.

A *replicated* number is an array ``[1 + samples]``: first the number as observed, then the same
number in every bootstrap sample. All systems of a table share the draws (that is what pairs them),
and so do all languages that share clusters (that is what makes a mean over languages joint); so
means and differences of numbers are means and differences of arrays, and `interval` reads the
result off.

Examples are resampled by cluster (paragraph, premise). A seed is a pair (alignment seed, head
seed). Heads trained on one alignment are averaged, so that repeating them does not count as
repeating the alignment; where there is more than one, heads are resampled among themselves and
alignments among themselves. Two systems with the same seeds draw the same ones.
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
_CHUNK = 2_000
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference, its percentile interval and its two-sided p; NaN where they are undefined."""

    difference: float
    low: float
    high: float
    p: float


def summed(scores: Iterable[Score]) -> dict[str, float]:
    """Every statistic, summed over the examples."""
    total: dict[str, float] = {}
    for score in scores:
        for name, value in score.statistics.items():
            total[name] = total.get(name, 0.0) + value
    return total


def clusters_of(scores: Sequence[Score]) -> dict[str, str]:
    """Example -> cluster. Raises DataError if an example is scored twice, or none is scored."""
    found: dict[str, str] = {}
    for score in scores:
        if score.example in found:
            raise DataError(f"example {score.example} is scored twice", "evaluate it again")
        found[score.example] = score.cluster
    if not found:
        raise DataError("no example is scored", "evaluate it again")
    return found


class Resampling:
    """The bootstrap draws that all systems of one comparison share.

    ``examples``: for every language, the cluster of every example. ``samples``: how many samples.
    """

    def __init__(
        self, examples: Mapping[str, Mapping[str, str]], *, samples: int = 2_000, seed: int = 1
    ) -> None:
        self.examples = examples
        self.samples = samples
        self.seed = seed
        self.clusters = {name: sorted(set(held.values())) for name, held in examples.items()}
        self._together = _components(self.clusters)
        self._drawn: tuple[list[str], NDArray[np.int16]] = [], np.empty((0, 0), np.int16)

    def replicate(
        self, language: str, systems: Mapping[str, Measured], metric: Metric
    ) -> dict[str, Replicated]:
        """The metric of every system in a language, averaged over seeds.

        Raises DataError if the examples are not those of the comparison. NaN where the metric is
        undefined, and in every sample if there is but one cluster.
        """
        seeds = {label: sorted(measured, key=_order) for label, measured in systems.items()}
        scores = [systems[label][seed] for label, own in seeds.items() for seed in own]
        totals = self._resampled(language, scores, metric)
        with np.errstate(all="ignore"):
            values = np.array(metric.compute(totals), dtype=np.float64)
        values[~np.isfinite(values)] = np.nan
        if len(self.clusters[language]) == 1:
            values[1:] = np.nan
        replicated, place = {}, 0
        for label, own in seeds.items():
            replicated[label] = self._over_seeds(own, values[:, place : place + len(own)])
            place += len(own)
        return replicated

    def _resampled(
        self, language: str, runs: Sequence[Sequence[Score]], metric: Metric
    ) -> dict[str, NDArray[np.float64]]:
        """The statistics that the metric reads, summed over the clusters drawn.

        Each is ``[1 + samples, runs]``.
        """
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
        """Statistics summed by cluster: ``[statistics, clusters]``."""
        _refuse_other_examples(language, self.examples[language], clusters_of(scores))
        place = {cluster: i for i, cluster in enumerate(self.clusters[language])}
        places = [place[score.cluster] for score in scores]
        sums = np.zeros((len(names), len(place)))
        for row, name in zip(sums, names, strict=True):
            np.add.at(row, places, [score.statistics.get(name, 0.0) for score in scores])
        return sums

    def _weights(self, language: str) -> NDArray[np.int16]:
        """How often each of the language's clusters is drawn: ``[1 + samples, clusters]``."""
        together, own = self._together[language], self.clusters[language]
        if self._drawn[0] != together:
            rng = self._rng("clusters", *together)
            self._drawn = together, _draw(rng, len(together), self.samples)
        if len(own) == len(together):
            return self._drawn[1]
        place = {cluster: i for i, cluster in enumerate(together)}
        return self._drawn[1][:, [place[cluster] for cluster in own]]

    def _over_seeds(self, seeds: Sequence[Seed], values: NDArray[np.float64]) -> Replicated:
        """``values [1 + samples, seeds]`` averaged over heads drawn, then alignments drawn."""
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
        # Named after what is drawn, so that a draw does not depend on the draws before it.
        digest = hashlib.sha256("\0".join(what).encode()).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest[:8])])


def interval(difference: Replicated) -> Interval:
    """Percentile interval and two-sided p of a replicated difference.

    p inverts the interval: twice the share of samples on the far side of zero, zero itself counted
    on both sides, each count plus one so that p is never 0 (Davison & Hinkley 1997, section 4.2).
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


def paired_bootstrap(
    baseline: Mapping[str, Measured],
    other: Mapping[str, Measured],
    metric: Metric,
    *,
    samples: int = 2_000,
    seed: int = 1,
) -> Interval:
    """metric(other) - metric(baseline), averaged over languages that are drawn jointly.

    ``baseline`` and ``other`` map language -> seed -> scores. Raises DataError if languages or
    examples differ.
    """
    if set(baseline) != set(other) or not baseline:
        raise DataError(
            f"languages differ: {sorted(baseline)} and {sorted(other)}", "compare the same ones"
        )
    examples = {
        language: clusters_of(next(iter(measured.values())))
        for language, measured in baseline.items()
    }
    draws = Resampling(examples, samples=samples, seed=seed)
    differences = []
    for language in sorted(baseline):
        pair = {"baseline": baseline[language], "other": other[language]}
        replicated = draws.replicate(language, pair, metric)
        differences.append(replicated["other"] - replicated["baseline"])
    return interval(np.mean(differences, axis=0))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979), in the order given; NaN was not tested, stays NaN."""
    tested = sorted((p, place) for place, p in enumerate(ps) if not np.isnan(p))
    adjusted = [float("nan")] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        adjusted[place] = highest
    return adjusted


def _draw(rng: np.random.Generator, count: int, samples: int) -> NDArray[np.int16]:
    """How often each of ``count`` things is drawn when ``count`` are, with replacement.

    ``[1 + samples, count]``; the first row, the sample as observed, has each of them once.
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
    """Sums that remember which of them were asked for, in whatever way."""

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
    """For every language, the clusters of all languages that it shares clusters with.

    Sharing carries over: of three languages, two may share clusters only through the third.
    """
    components: list[tuple[set[str], set[str]]] = []
    for language, own in clusters.items():
        languages, together = {language}, set(own)
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
    language: str, wanted: Mapping[str, str], found: Mapping[str, str]
) -> None:
    if wanted != found:
        differing = {*wanted.items()} ^ {*found.items()}
        raise DataError(
            f"{language}: scored on different examples, {min(differing)[0]} being one",
            "evaluate both on the same data",
        )


def _order(seed: Seed) -> list[tuple[bool, int]]:
    return [(number is not None, number or 0) for number in seed]
