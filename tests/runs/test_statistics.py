from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from otx.errors import DataError
from otx.runs.cells import SystemNumbers, system_row
from otx.runs.grouping import System
from otx.runs.statistics import (
    Measured,
    Resampling,
    clusters_of,
    holm,
    interval,
    summed,
)
from otx.runs.table import Cell, columns_of
from otx.types import Metric, Score
from tests.examples import examples

Make = Callable[..., list[Score]]

F1 = Metric("f1", lambda s: 2 * s["tp"] / (s["guessed"] + s["gold"]))


def one(scores: list[Score]) -> dict[str, dict[Any, list[Score]]]:
    return {"de": {(None, None): scores}}


def compared(
    baseline: Mapping[str, Measured],
    other: Mapping[str, Measured],
    metric: Metric,
    *,
    samples: int = 2_000,
) -> Cell:
    """Return the cell that `otx compare` prints for ``other``: of its only language, or the mean over several.

    Computed by the functions that make the shipped tables, so that what is simulated here is what users read.
    """
    examples = {name: clusters_of(next(iter(held.values()))) for name, held in baseline.items()}
    draws = Resampling(examples, samples=samples)
    numbers: dict[str, dict[str, Any]] = {"baseline": {}, "other": {}}
    for language in baseline:
        pair = {"baseline": baseline[language], "other": other[language]}
        for label, number in draws.replicate(language, pair, metric).items():
            numbers[label][language] = number
    columns = columns_of(tuple(baseline), "en", frozenset(), metric.higher_is_better)
    row = system_row(
        System("other", (), "baseline"),
        columns,
        *(SystemNumbers(replicated=numbers[label]) for label in ("other", "baseline")),
    )
    (cell,) = [
        cell
        for column, cell in zip(columns, row.cells, strict=True)
        if column.kind == "mean" or len(baseline) == 1
    ]
    assert cell is not None and not cell.exact
    return cell


def test_sums_are_over_every_example() -> None:
    scores = [Score("a", "x", {"tp": 1, "n": 1}), Score("b", "y", {"tp": 2.5, "n": 1})]
    assert summed(scores) == {"tp": 3.5, "n": 2}


def test_the_interval_is_that_of_scipy(accuracy: Metric, make_scores: Make) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 80))
    ours = compared(one(make_scores(first)), one(make_scores(second)), accuracy, samples=20_000)
    theirs = stats.bootstrap(
        (second - first,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert ours.difference == pytest.approx(np.mean(second - first))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_a_ratio_of_sums_is_resampled_as_scipy_does() -> None:
    rng = np.random.default_rng(1)
    guessed, gold = rng.integers(1, 20, (2, 100))
    hits = [rng.binomial(np.minimum(guessed, gold), p) for p in (0.5, 0.6)]
    first, second = (
        [
            Score(str(i), str(i), {"tp": h, "guessed": g, "gold": w})
            for i, (h, g, w) in enumerate(zip(tp, guessed, gold, strict=True))
        ]
        for tp in hits
    )
    ours = compared(one(first), one(second), F1, samples=20_000)

    def difference(a: Any, b: Any, g: Any, w: Any, axis: int) -> Any:
        total = g.sum(axis) + w.sum(axis)
        return 2 * (b.sum(axis) - a.sum(axis)) / total

    theirs = stats.bootstrap(
        (*hits, guessed, gold),
        difference,
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=2,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_the_p_of_wins_and_losses_is_near_the_sign_test(
    accuracy: Metric, make_scores: Make
) -> None:
    # 1000 examples, 60 won and 40 lost: McNemar's exact test is a binomial one on the 100.
    first = [1] * 500 + [0] * 60 + [1] * 40 + [0] * 400
    second = [1] * 500 + [1] * 60 + [0] * 40 + [0] * 400
    ours = compared(one(make_scores(first)), one(make_scores(second)), accuracy, samples=20_000)
    # Half the probability of the observed count, for a continuous counterpart.
    exact = stats.binomtest(60, 100).pvalue - stats.binom.pmf(60, 100, 0.5)
    assert ours.p == pytest.approx(exact, abs=0.01)


def test_the_p_of_a_mean_is_near_the_permutation_test(accuracy: Metric, make_scores: Make) -> None:
    rng = np.random.default_rng(3)
    first = rng.random(200)
    second = first + rng.normal(0.04, 0.3, 200)
    ours = compared(one(make_scores(first)), one(make_scores(second)), accuracy, samples=20_000)
    theirs = stats.permutation_test(
        (second, first),
        lambda x, y, axis: np.mean(x - y, axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=4,
    ).pvalue
    assert ours.p == pytest.approx(theirs, abs=0.015)


def test_clusters_are_resampled_whole(accuracy: Metric, make_scores: Make) -> None:
    rng = np.random.default_rng(5)
    hits = np.repeat(rng.random(50), 8)
    draws = Resampling({"de": clusters_of(make_scores(hits, size=8))}, samples=20_000)
    drawn = draws.replicate("de", one(make_scores(hits, size=8)), accuracy)["de"]
    # The standard deviation of a mean of 50 independent things, not of 400.
    assert drawn[1:].std() == pytest.approx(hits.std() / np.sqrt(50), rel=0.03)
    assert drawn[0] == pytest.approx(hits.mean())


@examples(30)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=30), st.integers(1, 4))
def test_equal_systems_differ_by_nothing(values: list[float], size: int) -> None:
    metric = Metric("mean", lambda s: s["hit"] / s["n"])
    scores = [
        Score(f"{i}", f"c{i // size}", {"hit": v, "n": 1.0}) for i, v in enumerate([*values, 0, 1])
    ]
    seeds = {(a, h): scores for a in (1, 2) for h in (1, 2, 3)}
    for other in (one(scores), {"de": seeds}):
        cell = compared(one(scores), other, metric, samples=99)
        assert (cell.difference, cell.low, cell.high, cell.p) == (0, 0, 0, 1)


@examples(30)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_swapping_the_systems_mirrors_the_result(hits: list[tuple[bool, bool, bool]]) -> None:
    metric = Metric("mean", lambda s: s["hit"] / s["n"])
    first, second, third = (
        [Score(str(i), str(i), {"hit": float(h[k]), "n": 1.0}) for i, h in enumerate(hits)]
        for k in range(3)
    )
    systems = {"de": {(None, 1): first}}, {"de": {(1, 1): second, (2, 1): third}}
    there = compared(*systems, metric, samples=200)
    back = compared(*systems[::-1], metric, samples=200)
    assert back.difference is not None and back.high is not None and back.low is not None
    mirrored = (-back.difference, -back.high, -back.low, back.p)
    assert (there.difference, there.low, there.high, there.p) == pytest.approx(mirrored, abs=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says(accuracy: Metric) -> None:
    rng = np.random.default_rng(6)
    clusters, size, covered, rejected = 100, 3, 0, 0
    for _ in range(500):
        shared = np.repeat(rng.normal(0, 0.2, (2, clusters)), size, axis=1)
        values = 0.5 + shared + rng.normal(0, 0.3, (2, clusters * size))
        first, second = (
            [
                Score(str(i), str(i // size), {"hit": value, "n": 1.0})
                for i, value in enumerate(system)
            ]
            for system in values
        )
        found = compared(one(first), one(second), accuracy, samples=400)
        assert found.low is not None and found.high is not None and found.p is not None
        covered += found.low <= 0 <= found.high
        rejected += found.p < 0.05
    assert 0.93 <= covered / 500 <= 0.97
    assert 0.03 <= rejected / 500 <= 0.07


def test_languages_that_share_clusters_are_drawn_together(
    accuracy: Metric, make_scores: Make
) -> None:
    rng = np.random.default_rng(7)
    first, second = rng.random((2, 100))

    def systems(prefixes: Mapping[str, str], values: Any) -> dict[str, dict[Any, list[Score]]]:
        return {name: {(None, None): make_scores(values, prefix=p)} for name, p in prefixes.items()}

    def spread(prefixes: Mapping[str, str]) -> float:
        found = compared(
            systems(prefixes, first), systems(prefixes, second), accuracy, samples=10_000
        )
        assert found.low is not None and found.high is not None
        return found.high - found.low

    alone = spread({"de": ""})
    # The same scores four times over say no more than once; four independent ones halve the width.
    assert spread({"de": "", "es": "", "ru": "", "zh": ""}) == pytest.approx(alone)
    apart = spread({"de": "a", "es": "b", "ru": "c", "zh": "d"})
    assert apart == pytest.approx(alone / 2, rel=0.05)


def test_languages_that_share_some_clusters_are_drawn_together(accuracy: Metric) -> None:
    rng = np.random.default_rng(8)
    values = rng.random(60)

    def scores(places: range) -> list[Score]:
        return [Score(str(i), str(i), {"hit": values[i], "n": 1.0}) for i in places]

    # de and ru share no example, but es shares some with both.
    held = {"de": scores(range(0, 30)), "es": scores(range(20, 45)), "ru": scores(range(30, 60))}
    examples = {name: clusters_of(found) for name, found in held.items()}
    draws = Resampling(examples, samples=5_000)
    drawn = {n: draws.replicate(n, one(s), accuracy)["de"][1:] for n, s in held.items()}
    for one_name, other, overlap in (("de", "es", 10), ("es", "ru", 15), ("de", "ru", 0)):
        common = np.corrcoef(drawn[one_name], drawn[other])[0, 1]
        assert (common > 0.2) == (overlap > 0)


def test_repeated_heads_are_not_repeated_alignments(accuracy: Metric, make_scores: Make) -> None:
    base, same = make_scores([1, 0] * 50), make_scores([1, 1, 0, 0] * 25)
    single = compared(one(base), {"de": {(1, 1): same}}, accuracy)
    heads = {(1, head): same for head in range(1, 6)}
    found = compared(one(base), {"de": heads}, accuracy)
    assert (found.difference, found.p) == pytest.approx((single.difference, single.p))
    assert (found.low, found.high) == pytest.approx((single.low, single.high))


def test_two_alignments_are_resampled_as_two(accuracy: Metric, make_scores: Make) -> None:
    # Examples that are all alike leave only the seeds: means of two draws from {.4, .6}.
    base, low, high = (make_scores([value] * 20) for value in (0.5, 0.4, 0.6))
    seeds = {(1, 1): low, (1, 2): low, (1, 3): low, (2, 1): high}
    draws = Resampling({"de": clusters_of(base)}, samples=8_000)
    drawn = draws.replicate("de", {"s": seeds}, accuracy)["s"]
    assert drawn[0] == pytest.approx(0.5)
    values, counts = np.unique(drawn[1:].round(9), return_counts=True)
    assert values == pytest.approx([0.4, 0.5, 0.6])
    assert counts / 8_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
    found = compared(one(base), {"de": seeds}, accuracy)
    assert (found.low, found.high) == pytest.approx((-0.1, 0.1))


def test_a_metric_may_read_its_sums_in_any_way(accuracy: Metric, make_scores: Make) -> None:
    ways = [
        lambda s: s.get("hit", 0) / s.get("n", 1),
        lambda s: dict(s)["hit"] / dict(s)["n"],
    ]
    pair = one(make_scores([1, 0, 1, 0] * 9)), one(make_scores([1, 1, 1, 0] * 9))
    expected = compared(*pair, accuracy)
    assert all(compared(*pair, Metric("way", way)) == expected for way in ways)


def test_p_inverts_the_interval() -> None:
    rng = np.random.default_rng(9)
    drawn = np.concatenate([[0.3], rng.normal(0.3, 0.2, 1_999)])
    below = int((drawn[1:] <= 0).sum())
    assert interval(drawn).p == pytest.approx(2 * (below + 1) / 2_000)
    assert interval(np.full(1_000, 0.1)).p == pytest.approx(2 / 1_000)


def test_a_metric_that_is_not_defined_has_no_interval(make_scores: Make) -> None:
    precision = Metric("precision", lambda s: s["hit"] / (s["n"] - s["n"]))
    found = compared(one(make_scores([1, 0])), one(make_scores([0, 1])), precision)
    assert found.difference is not None and np.isnan([found.value, found.difference]).all()
    assert (found.low, found.high, found.p) == (None, None, None)


def test_one_cluster_has_a_difference_but_no_interval(accuracy: Metric, make_scores: Make) -> None:
    first, second = (make_scores(hits, size=9) for hits in ([1, 0, 0], [1, 1, 0]))
    found = compared(one(first), one(second), accuracy)
    assert found.difference == pytest.approx(1 / 3)
    assert (found.low, found.high, found.p) == (None, None, None)


def test_other_examples_are_refused(accuracy: Metric, make_scores: Make) -> None:
    base = make_scores([1, 0, 1, 0])
    for other in (base[:3], [*base[:3], Score("new", "c9", base[0].statistics)]):
        with pytest.raises(DataError, match="de: scored on different examples"):
            compared(one(base), one(other), accuracy)
    moved = [Score(s.example, "elsewhere", s.statistics) for s in base]
    with pytest.raises(DataError, match="different examples"):
        compared(one(base), one(moved), accuracy)
    with pytest.raises(DataError, match="example e0 is scored twice"):
        compared(one([*base, base[0]]), one(base), accuracy)
    with pytest.raises(DataError, match="no example is scored"):
        compared(one([]), one([]), accuracy)


def test_the_order_of_examples_says_nothing(accuracy: Metric, make_scores: Make) -> None:
    first, second = make_scores([1, 0, 1, 1, 0, 0] * 5), make_scores([0, 1, 1, 1, 1, 0] * 5)
    there = compared(one(first), one(second), accuracy)
    assert compared(one(first[::-1]), one(second), accuracy) == there


def test_holm_is_that_of_r() -> None:
    # p.adjust(c(.01, .04, .03, .005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=8))
def test_holm_is_its_definition(ps: list[float]) -> None:
    tested = sorted(p for p in ps if p == p)
    for p, adjusted in zip(ps, holm(ps), strict=True):
        if p != p:
            assert np.isnan(adjusted)
            continue
        last = max(i for i, other in enumerate(tested) if other <= p)
        steps = [min(1.0, (len(tested) - i) * tested[i]) for i in range(last + 1)]
        assert adjusted == pytest.approx(max(steps))
