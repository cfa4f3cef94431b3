from collections.abc import Callable
from typing import Any

import pytest

from otx.errors import UsageError
from otx.runs.folder import RunFolder
from otx.runs.grouping import System, systems_of

Make = Callable[..., RunFolder]


def shown(systems: list[System]) -> list[tuple[str, list[str], str | None]]:
    return [(s.label, [run.name for run in s.runs], s.baseline) for s in systems]


def test_runs_that_differ_in_their_seed_are_one_system(
    make_run: Make, make_untouched: Make
) -> None:
    untouched = make_untouched()
    runs = [make_run(f"s{seed}", seed=seed) for seed in (1, 2, 3)]
    assert shown(systems_of([*runs, untouched], None, ())) == [
        ("untouched", [untouched.name], None),
        ("sinkhorn", ["s1", "s2", "s3"], "untouched"),
    ]


def test_the_untouched_encoder_is_found_beside_the_runs(
    make_run: Make, make_untouched: Make
) -> None:
    make_untouched("other")
    untouched = make_untouched("mini")
    systems = systems_of([make_run("s1")], None, ())
    assert shown(systems) == [
        ("untouched", [untouched.name], None),
        ("sinkhorn", ["s1"], "untouched"),
    ]


def test_without_an_untouched_encoder_there_is_no_baseline(make_run: Make) -> None:
    assert shown(systems_of([make_run("s1")], None, ())) == [("sinkhorn", ["s1"], None)]


def test_each_model_has_its_own_baseline(make_run: Make, make_untouched: Make) -> None:
    runs = [make_untouched("mini"), make_untouched("big")]
    runs += [make_run("m", model="mini"), make_run("b", model="big"), make_run("l", "l2")]
    assert [(label, base) for label, _, base in shown(systems_of(runs, None, ()))] == [
        ("untouched (mini)", None),
        ("sinkhorn (mini)", "untouched (mini)"),
        ("l2", "untouched (mini)"),
        ("untouched (big)", None),
        ("sinkhorn (big)", "untouched (big)"),
    ]


def test_other_settings_are_another_system_named_by_its_run(make_run: Make) -> None:
    runs = [make_run("slow", lr=1e-5), make_run("fast", lr=1e-3), make_run("also", lr=1e-3, seed=2)]
    assert shown(systems_of(runs, None, ())) == [
        ("slow", ["slow"], None),
        ("fast", ["fast", "also"], None),
    ]


def test_seeds_of_one_system_are_called_by_what_their_names_share(make_run: Make) -> None:
    runs = [make_run(f"true-{seed}", seed=seed) for seed in (1, 2)]
    runs += [make_run(f"shuffled-{seed}", seed=seed, bitext=["de", "es"]) for seed in (1, 2)]
    assert [label for label, _, _ in shown(systems_of(runs, None, ()))] == ["true", "shuffled"]


def test_other_text_is_another_system(make_run: Make) -> None:
    runs = [make_run("a", bitext=["de"]), make_run("b", bitext=["de", "es"], seed=2)]
    assert [names for _, names, _ in shown(systems_of(runs, None, ()))] == [["a"], ["b"]]


@pytest.mark.parametrize(("table", "one_system"), [("nli", True), ("sinkhorn", False)])
def test_a_tasks_options_say_nothing_about_alignment(
    make_run: Make, table: str, one_system: bool
) -> None:
    runs = [make_run("a"), make_run("b", seed=2)]
    for number, run in enumerate(runs):
        run.update(settings={**run.record["settings"], table: {"epsilon": number}})
    assert (len(systems_of(runs, None, {"nli"})) == 1) == one_system


def test_what_changes_no_weight_makes_no_other_system(make_run: Make) -> None:
    runs = [make_run("a"), make_run("b", seed=2), make_run("c", seed=3)]
    runs[1].record["settings"]["runtime"] = {"device": "cpu"}
    runs[2].record["settings"] |= {"data": {"corpus": ["./elsewhere"]}, "checkpoint": {"every": 7}}
    (system,) = systems_of(runs, None, {})
    assert len(system.runs) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"files": {"links de": "other"}},
        {"options": {"sinkhorn": {"epsilon": 0.2}}},
        {"precision": "bfloat16"},
    ],
)
def test_what_digests_and_options_tell_apart_are_two_systems(
    make_run: Make, fields: dict[str, Any]
) -> None:
    same = {
        "files": {"links de": "one", "gold": "g"},
        "options": {"sinkhorn": {"epsilon": 0.1}},
        "precision": "float32",
    }
    runs = [make_run("a", **same), make_run("b", seed=2, **{**same, **fields})]
    assert len(systems_of(runs, None, {})) == 2
    again = make_run("c", seed=3, **{**same, "files": {"links de": "one", "gold": "h"}})
    assert len(systems_of([runs[0], again], None, {})) == 1


def test_the_same_seed_again_is_no_further_seed(make_run: Make) -> None:
    runs = [make_run("a"), make_run("again"), make_run("b", seed=2)]
    assert shown(systems_of(runs, None, ())) == [
        ("a", ["a", "b"], None),
        ("again", ["again"], None),
    ]


def test_a_given_baseline_stands_for_its_system(make_run: Make, make_untouched: Make) -> None:
    untouched = make_untouched()
    runs = [make_run("a"), make_run("b", seed=2), make_run("l", "l2")]
    assert shown(systems_of([untouched, *runs], runs[1], ())) == [
        ("sinkhorn", ["a", "b"], None),
        ("untouched", [untouched.name], "sinkhorn"),
        ("l2", ["l"], "sinkhorn"),
    ]
    # A baseline that was not named among the runs joins them.
    assert shown(systems_of([runs[2]], runs[0], ())) == [
        ("sinkhorn", ["a"], None),
        ("l2", ["l"], "sinkhorn"),
    ]


def test_the_languages_of_the_bitext_are_known(make_run: Make, make_untouched: Make) -> None:
    systems = systems_of([make_untouched(), make_run("a", bitext=["de", "zh"])], None, ())
    assert [system.bitext for system in systems] == [frozenset(), {"de", "zh"}]


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="no runs to compare"):
        systems_of([], None, ())
