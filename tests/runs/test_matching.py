from collections.abc import Callable
from typing import Any

import pytest

from otx.errors import DataError
from otx.runs.folder import RunFolder
from otx.runs.grouping import systems_of
from otx.runs.matching import Match, matches
from otx.runs.results import read_units
from otx.types import Score, TaskInfo

Make = Callable[..., Any]


@pytest.fixture
def matched(tasks: dict[str, TaskInfo]) -> Callable[..., list[Match]]:
    def match(*runs: RunFolder, task: TaskInfo = tasks["nli"]) -> list[Match]:
        systems = systems_of(runs, None, tasks)
        results = {s.label: [(r, u) for r in s.runs for u in read_units(r)] for s in systems}
        floors = [unit for run in runs for unit in read_units(run) if unit.floor]
        return matches(systems, results, floors, task)

    return match


@pytest.fixture
def pair(make_run: Make, make_untouched: Make) -> tuple[RunFolder, RunFolder]:
    return make_untouched(), make_run("a")


@pytest.fixture
def add(add_unit: Make, tasks: dict[str, TaskInfo]) -> Callable[..., Any]:
    def write(run: RunFolder, language: str = "de", **changes: Any) -> Any:
        scores = [Score("e1", "c1", {"hit": 1.0, "n": 1.0})]
        return add_unit(run, tasks["nli"], language, scores, **{"head_seed": 1, **changes})

    return write


def test_results_of_equal_things_meet(matched: Make, pair: Any, add: Make) -> None:
    for run in pair:
        for language in ("de", "en"):
            for seed in (1, 2):
                add(run, language, head_seed=seed)
    (match,) = matched(*pair)
    assert match.languages == ["de", "en"]
    assert set(match.results) == {"untouched", "sinkhorn"}
    assert set(match.results["untouched"]["de"]) == {(None, 1), (None, 2)}
    assert set(match.results["sinkhorn"]["en"]) == {(1, 1), (1, 2)}
    assert match.left_out == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data_digest": "new"}, r"nli in de: .*they differ in data \(nli-de and new\)"),
        ({"task_version": "2"}, r"task version \(1 and 2\)"),
        ({"precision": "bfloat16"}, r"precision \(None and bfloat16\)"),
        ({"encoder_options": {"layer": 3}}, r"encoder options \(\{\} and \{'layer': 3\}\)"),
        ({"training_digest": "more"}, r"training \(trained and more\)"),
        ({"options": {"batch": 8}}, r"batch \(None and 8\)"),
    ],
)
def test_what_differs_is_refused_by_name(
    matched: Make, pair: Any, add: Make, changes: dict[str, Any], said: str
) -> None:
    untouched, run = pair
    add(untouched)
    add(run, **changes)
    with pytest.raises(DataError, match=said) as caught:
        matched(untouched, run)
    assert "untouched and sinkhorn cannot be compared" in caught.value.message


def test_equal_data_under_two_names_are_one(matched: Make, pair: Any, add: Make) -> None:
    for run, place in zip(pair, ("here/small", "there/copy-of-small"), strict=True):
        add(run, data=place)
    (match,) = matched(*pair)
    assert (match.data, set(match.results)) == ("small", {"untouched", "sinkhorn"})


def test_results_of_an_older_task_are_refused(matched: Make, pair: Any, add: Make) -> None:
    for run in pair:
        add(run, task_version="0")
    with pytest.raises(DataError, match=r"of version 0 of the task, and version 1 is installed"):
        matched(*pair)


def test_the_newest_that_all_have_is_taken(matched: Make, pair: Any, add: Make) -> None:
    untouched, run = pair
    for digest in ("first", "second"):
        add(untouched, data_digest=digest)
    for digest in ("second", "first", "third"):
        add(run, data_digest=digest)
    (match,) = matched(untouched, run)
    taken = {seed: u.data_digest for seed, (_, u) in match.results["sinkhorn"]["de"].items()}
    assert taken == {(1, 1): "first"}
    assert match.left_out == 3


def test_other_options_are_another_table(matched: Make, pair: Any, add: Make) -> None:
    for run in pair:
        for extraction in ("argmax", "itermax"):
            add(run, options={"extraction": extraction})
    found = matched(*pair)
    assert [match.options for match in found] == [
        {"extraction": "argmax"},
        {"extraction": "itermax"},
    ]
    assert all(set(match.results) == {"untouched", "sinkhorn"} for match in found)


def test_other_data_is_another_table(matched: Make, pair: Any, add: Make) -> None:
    untouched, run = pair
    for number, prefix in enumerate(("/data/", "../data/")):
        for name in ("tatoeba", "ntrex"):
            add(pair[number], data=prefix + name, data_digest=name)
    assert [match.data for match in matched(untouched, run)] == ["ntrex", "tatoeba"]


def test_floors_go_with_the_data(matched: Make, pair: Any, add: Make) -> None:
    for run in pair:
        add(run)
        for digest in ("nli-de", "other"):
            add(run, head_seed=None, floor="majority", data_digest=digest, training_digest="old")
    (match,) = matched(*pair)
    assert {n: u.data_digest for n, u in match.floors["majority"].items()} == {"de": "nli-de"}


def test_three_systems_without_a_common_result_are_refused(
    matched: Make, make_run: Make, add: Make
) -> None:
    for name, digests in (("a", "12"), ("b", "23"), ("c", "31")):
        run = make_run(name, name)
        for digest in digests:
            add(run, data_digest=digest)
    runs = [RunFolder(run.path.parent / name) for name in "abc"]
    with pytest.raises(DataError, match="cannot be compared"):
        matched(*runs)
