from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from otx.errors import DataError, UsageError
from otx.runs.comparison import SAMPLES_PER_TEST, compare, runs_to_compare
from otx.runs.folder import RunFolder
from otx.runs.statistics import Interval, Resampling, clusters_of, holm, interval
from otx.runs.table import Cell, Comparison, Table
from otx.types import Metric, Score, TaskInfo

Make = Callable[..., Any]
LANGUAGES = ("en", "de", "fr")


def cells(table: Table, system: str) -> dict[str, Cell | None]:
    row = next(row for row in table.rows if row.system == system)
    return {c.name: cell for c, cell in zip(table.columns, row.cells, strict=True)}


def defined(base: dict[str, Any], other: dict[str, Any], metric: Metric) -> Interval:
    """The difference by its definition: the mean over languages of the replicated differences, without any table."""
    examples = {name: clusters_of(next(iter(by_seed.values()))) for name, by_seed in base.items()}
    draws, differences = Resampling(examples), []
    for name in base:
        pair = draws.replicate(name, {"base": base[name], "other": other[name]}, metric)
        differences.append(pair["other"] - pair["base"])
    return interval(np.mean(differences, axis=0))


def hits(rate: float, seed: int, count: int = 120) -> Sequence[float]:
    rng = np.random.default_rng(seed)
    return [float(x) for x in rng.random(count) < rate]


@pytest.fixture
def world(
    make_run: Make, make_untouched: Make, add_unit: Make, make_scores: Make, tasks: dict[str, Any]
) -> dict[str, Any]:
    """The untouched encoder and two alignments of sinkhorn, in three languages; scores by run."""
    runs = {"u": make_untouched(), "s1": make_run("s1"), "s2": make_run("s2", seed=2)}
    scores: dict[str, dict[str, list[Score]]] = {}
    for number, (name, run) in enumerate(runs.items()):
        for place, language in enumerate(LANGUAGES):
            made = make_scores(hits(0.5 + 0.1 * number, 10 * number + place), size=3)
            scores.setdefault(name, {})[language] = made
            add_unit(run, tasks["nli"], language, made, 1)
    return {**runs, "scores": scores}


def test_every_number_is_that_of_its_definition(
    world: Any, tasks: dict[str, TaskInfo], accuracy: Metric
) -> None:
    found = compare([world["s1"], world["s2"]], tasks=tasks)
    (table,) = found.tables
    assert [row.system for row in table.rows] == ["untouched", "sinkhorn"]
    assert (table.task, table.metric, table.tests) == ("nli", "accuracy", 6)
    assert table.examples == dict.fromkeys(LANGUAGES, 120)
    scores = world["scores"]

    def rate(name: str, language: str) -> float:
        return float(np.mean([s.statistics["hit"] for s in scores[name][language]]))

    def systems(languages: Sequence[str]) -> tuple[Any, Any]:
        base = {name: {(None, 1): scores["u"][name]} for name in languages}
        other = {n: {(1, 1): scores["s1"][n], (2, 1): scores["s2"][n]} for n in languages}
        return base, other

    got = cells(table, "sinkhorn")
    for language in LANGUAGES:
        cell = got[language]
        assert cell is not None
        pair = [rate("s1", language), rate("s2", language)]
        assert cell.value == pytest.approx(np.mean(pair))
        assert (cell.deviation, cell.seeds) == (pytest.approx(np.std(pair, ddof=1)), 2)
        expected = defined(*systems([language]), accuracy)
        assert (cell.difference, cell.low, cell.high) == pytest.approx(
            (expected.difference, expected.low, expected.high)
        )
        assert cell.p == expected.p
    mean, everything = got["mean"], defined(*systems(LANGUAGES), accuracy)
    assert mean is not None
    assert (mean.difference, mean.low, mean.high) == pytest.approx(
        (everything.difference, everything.low, everything.high)
    )
    tested = [cell for cell in got.values() if cell is not None and cell.p is not None]
    assert [cell.p_holm for cell in tested] == holm([cell.p or 0 for cell in tested])
    change, english = got["en change"], got["en"]
    assert change is not None and english is not None
    assert (change.value, change.p) == (english.difference, None)
    assert all(
        cell is None or cell.difference is None for cell in cells(table, "untouched").values()
    )


def test_systems_and_seeds_are_counted(world: Any, tasks: dict[str, TaskInfo]) -> None:
    found = compare([world["s1"], world["s2"]], tasks=tasks)
    assert found.systems == {"untouched": (world["u"].name,), "sinkhorn": ("s1", "s2")}
    rows = [(row.role, row.baseline, row.alignments, row.heads) for row in found.tables[0].rows]
    assert rows == [("baseline", None, 0, 1), ("system", "untouched", 2, 1)]


def test_identical_runs_differ_by_nothing(
    world: Any, tasks: dict[str, TaskInfo], make_run: Make, add_unit: Make
) -> None:
    same = make_run("same", "l2")
    for language in LANGUAGES:
        add_unit(same, tasks["nli"], language, world["scores"]["u"][language], 1)
    (table,) = compare([same], tasks=tasks).tables
    for cell in cells(table, "l2").values():
        assert cell is not None
        if cell.p is not None:
            assert (cell.difference, cell.low, cell.high) == (0, 0, 0)
            assert (cell.p, cell.p_holm) == (1, 1)


def test_a_given_baseline_turns_the_signs(world: Any, tasks: dict[str, TaskInfo]) -> None:
    runs = [world["u"], world["s1"]]
    there = cells(compare(runs, tasks=tasks).tables[0], "sinkhorn")
    back = cells(compare(runs, world["s1"], tasks=tasks).tables[0], "untouched")
    for name, cell in there.items():
        other = back[name]
        assert cell is not None and other is not None
        if name != "en change":
            assert cell.difference == pytest.approx(-(other.difference or 0))
            assert (cell.low, cell.high) == pytest.approx((-(other.high or 0), -(other.low or 0)))
            assert cell.p == other.p


def test_the_main_metric_unless_others_are_asked_for(
    world: Any, tasks: dict[str, TaskInfo]
) -> None:
    def metrics(*names: str) -> list[str]:
        found = compare([world["s1"]], tasks=tasks, metrics=names, samples=50)
        return [table.metric for table in found.tables]

    assert metrics() == ["accuracy"]
    assert metrics("hits") == ["hits"]
    assert metrics("hits", "accuracy") == ["accuracy", "hits"]
    with pytest.raises(UsageError, match="no metric 'hit' in nli") as caught:
        metrics("hit")
    assert caught.value.remedy == "did you mean 'hits'?"


def test_tasks_can_be_chosen(
    world: Any, tasks: dict[str, TaskInfo], add_unit: Make, make_scores: Make
) -> None:
    for run in (world["u"], world["s1"]):
        add_unit(run, tasks["links"], "enes", make_scores([1, 0, 1]))

    def shown(found: Comparison) -> list[str]:
        return [table.task for table in found.tables]

    assert shown(compare([world["s1"]], tasks=tasks)) == ["links", "nli"]
    assert shown(compare([world["s1"]], tasks=tasks, task="nli")) == ["nli"]
    without = {"nli": tasks["nli"]}
    found = compare([world["s1"]], tasks=without)
    assert shown(found) == ["nli"]
    assert "results of links are left out" in found.notes[0]
    with pytest.raises(DataError, match="no results of other in"):
        compare([world["s1"]], tasks=tasks, task="other")


def test_less_is_better_where_the_metric_says_so(
    world: Any, tasks: dict[str, TaskInfo], add_unit: Make, make_scores: Make
) -> None:
    for run, made in ((world["u"], [1, 1, 0, 0]), (world["s1"], [1, 1, 1, 0])):
        add_unit(run, tasks["links"], "enes", make_scores(made))
    (table,) = compare([world["s1"]], tasks=tasks, task="links").tables
    assert (table.metric, table.higher_is_better, table.columns[0].better) == ("error", False, -1)
    cell = cells(table, "sinkhorn")["enes"]
    assert cell is not None
    assert (cell.value, cell.difference) == (pytest.approx(0.25), pytest.approx(-0.25))


def test_floors_stand_last_and_are_not_tested(
    world: Any, tasks: dict[str, TaskInfo], add_unit: Make, make_scores: Make
) -> None:
    for run in (world["u"], world["s1"]):
        for language in LANGUAGES:
            floor = make_scores([1.0, 0, 0] * 40, size=3)
            add_unit(run, tasks["nli"], language, floor, floor="majority")
    (table,) = compare([world["s1"]], tasks=tasks).tables
    assert [row.role for row in table.rows] == ["baseline", "system", "floor"]
    floor = cells(table, "majority")
    assert floor["mean"] == Cell(pytest.approx(1 / 3))
    assert floor["gap"] == Cell(pytest.approx(0))
    assert floor["en change"] is None
    compared = compare([world["s1"]], world["s2"], tasks=tasks)
    assert [row.system for row in compared.tables[0].rows] == ["sinkhorn", "majority"]


def test_what_was_not_evaluated_is_said(
    world: Any, tasks: dict[str, TaskInfo], make_run: Make, add_unit: Make
) -> None:
    part = make_run("part", "l2")
    add_unit(part, tasks["nli"], "en", world["scores"]["u"]["en"], 1)
    none = make_run("none", "mlm")
    (table,) = compare([part, none, world["s1"]], tasks=tasks).tables
    got = cells(table, "l2")
    assert {name for name, cell in got.items() if cell is not None} == {"en", "en change"}
    assert "no results at all: mlm" in table.notes
    assert "l2 has no result in de, fr: '-' in these columns and in its means" in table.notes


def test_many_tests_draw_more_samples(
    world: Any, tasks: dict[str, TaskInfo], make_run: Make, add_unit: Make, make_scores: Make
) -> None:
    for name in "abcdefgh":
        run = make_run(name, name)
        for language in LANGUAGES:
            add_unit(run, tasks["nli"], language, make_scores([1.0] * 120, size=3), 1)
    runs = [RunFolder(world["u"].path.parent / name) for name in "abcdefgh"]
    (table,) = compare(runs, tasks=tasks, samples=100).tables
    assert table.tests == 8 * 6
    assert table.samples == SAMPLES_PER_TEST * table.tests
    # So that a difference without a doubt is not lost in the correction.
    cell = cells(table, "a")["de"]
    assert cell is not None and cell.p_holm is not None and cell.p_holm < 0.05


def test_other_data_is_refused(
    world: Any, tasks: dict[str, TaskInfo], make_run: Make, add_unit: Make
) -> None:
    run = make_run("x", "l2")
    scores = world["scores"]["u"]
    add_unit(run, tasks["nli"], "de", scores["de"], 1, data_digest="changed")
    with pytest.raises(DataError, match="nli in de: untouched and l2 cannot be compared"):
        compare([run], tasks=tasks)


def test_other_examples_under_one_digest_are_refused(
    world: Any, tasks: dict[str, TaskInfo], make_run: Make, add_unit: Make
) -> None:
    run = make_run("x", "l2")
    add_unit(run, tasks["nli"], "de", world["scores"]["u"]["de"][:-1], 1)
    with pytest.raises(DataError, match="de: scored on different examples"):
        compare([run], tasks=tasks)


def test_guards_come_along(world: Any, tasks: dict[str, TaskInfo]) -> None:
    report = {"candidates": {"de": 414}, "ceilings": {"aer": "at its ceiling"}}
    world["s1"].update(
        guards={"before": {"aer": 0.31}, "after": {"aer": 0.38}},
        verdict=["the loss fell, but"],
        diagnostics={"report": report},
    )
    world["s2"].update(guards={"before": {"aer": 0.31}})
    (guard,) = compare([world["s1"], world["s2"]], tasks=tasks).guards
    assert (guard.run, guard.system, guard.verdict) == ("s1", "sinkhorn", ("the loss fell, but",))
    assert (guard.before, guard.after) == ({"aer": 0.31}, {"aer": 0.38})
    assert (guard.candidates, guard.ceilings) == (report["candidates"], report["ceilings"])


def test_the_result_says_nothing_of_the_order_of_the_runs(
    world: Any, tasks: dict[str, TaskInfo]
) -> None:
    runs = [world["u"], world["s1"], world["s2"]]
    assert compare(runs, tasks=tasks) == compare(runs[::-1], tasks=tasks)


def test_every_run_with_results_is_compared_by_default(
    world: Any, make_run: Make, tmp_path: Path
) -> None:
    make_run("empty", "l2")
    root = tmp_path / "runs"
    assert [run.name for run in runs_to_compare(root, [])] == ["s1", "s2", world["u"].name]
    assert [run.name for run in runs_to_compare(root, ["empty"])] == ["empty"]
    with pytest.raises(UsageError, match="no run 's9'"):
        runs_to_compare(root, ["s9"])
    with pytest.raises(DataError, match="has results"):
        runs_to_compare(tmp_path / "elsewhere", [])


@pytest.mark.parametrize("size", [1, 3])
def test_right_or_wrong_on_examples_of_their_own_is_tested_exactly(
    make_run: Make,
    make_untouched: Make,
    add_unit: Make,
    make_scores: Make,
    tasks: dict[str, Any],
    size: int,
) -> None:
    """With one seed and no clusters p within a language is McNemar's; of a mean, and in clusters, the bootstrap's."""
    made = {}
    for number, run in enumerate((make_untouched(), make_run("s1"))):
        for place, language in enumerate(LANGUAGES):
            scores = make_scores(hits(0.5 + 0.1 * number, 10 * number + place), size=size)
            add_unit(run, tasks["nli"], language, scores, 1)
            made[number, language] = [score.statistics["hit"] for score in scores]
    (table,) = compare([RunFolder.open(Path(run.path.parent), "s1")], tasks=tasks).tables
    found = cells(table, "sinkhorn")
    for language in LANGUAGES:
        gained = sum(b > a for a, b in zip(made[0, language], made[1, language], strict=True))
        lost = sum(b < a for a, b in zip(made[0, language], made[1, language], strict=True))
        cell = found[language]
        assert cell is not None and cell.exact == (size == 1)
        if size == 1:
            assert cell.p == pytest.approx(binomtest(gained, gained + lost).pvalue)
    mean = found["mean"]
    assert mean is not None and not mean.exact
    assert any("McNemar" in note for note in table.notes) == (size == 1)


def test_the_gap_is_that_of_the_language_that_was_trained_in(
    make_run: Make, make_untouched: Make, add_unit: Make, make_scores: Make, tasks: dict[str, Any]
) -> None:
    for number, run in enumerate((make_untouched(), make_run("s1"))):
        for language, rate in (("en", 0.5), ("de", 0.9)):
            scores = make_scores(hits(rate, number), size=3)
            add_unit(run, tasks["nli"], language, scores, 1, options={"source": "de"})
    (table,) = compare([RunFolder.open(Path(run.path.parent), "s1")], tasks=tasks).tables
    assert [c.name for c in table.columns] == ["de", "en", "mean", "gap", "de change"]
    gap = cells(table, "sinkhorn")["gap"]
    assert gap is not None and gap.value > 0.2


def test_tables_come_in_the_order_of_the_suite_then_by_name(
    make_run: Make, make_untouched: Make, add_unit: Make, make_scores: Make, tasks: dict[str, Any]
) -> None:
    places = {"a": {}, "b": {"x": 2}, "c": {"x": 1}, "d": {}}
    infos = {name: replace(tasks["nli"], name=name, suites=own) for name, own in places.items()}
    for run in (make_untouched(), make_run("s1")):
        for info in infos.values():
            add_unit(run, info, "en", make_scores(hits(0.5, 1), size=3), 1)
    found = compare([RunFolder.open(Path(run.path.parent), "s1")], tasks=infos)
    assert [table.task for table in found.tables] == ["c", "b", "a", "d"]


def test_runs_without_results_are_refused_whatever_their_baseline_has(
    make_run: Make, make_untouched: Make, add_unit: Make, make_scores: Make, tasks: dict[str, Any]
) -> None:
    untouched, runs = make_untouched(), [make_run("a"), make_run("b", seed=2)]
    scores = make_scores(hits(0.5, 1), size=3)
    add_unit(untouched, tasks["nli"], "en", scores, 1)
    with pytest.raises(DataError, match=r"no results in a, b .*otx eval TASK --run a --run b"):
        compare(runs, tasks=tasks)
    with pytest.raises(DataError, match="no results of nli in a, b"):
        compare(runs, untouched, tasks=tasks, task="nli")
    assert compare([untouched], tasks=tasks).tables


def test_a_task_that_only_the_baseline_has_makes_no_table(
    world: Any, tasks: dict[str, TaskInfo], add_unit: Make, make_scores: Make
) -> None:
    add_unit(world["u"], tasks["links"], "en", make_scores(hits(0.5, 1), size=3))
    found = compare([world["s1"], world["s2"]], tasks=tasks)
    assert [table.task for table in found.tables] == ["nli"]
    assert "only a baseline has results of links" in found.notes
