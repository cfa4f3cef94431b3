from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from otx.runs.folder import RunFolder
from otx.runs.footnotes import added_terms, chance_note, table_notes
from otx.runs.grouping import System, systems_of
from otx.runs.matching import Match
from otx.types import Score, TaskInfo

Make = Callable[..., Any]


@pytest.fixture
def systems(make_run: Make, make_untouched: Make) -> list[System]:
    return [
        System("untouched", (make_untouched(),)),
        System("sinkhorn", (make_run("a"),), "untouched"),
    ]


@pytest.fixture
def match(systems: list[System], add_unit: Make, tasks: dict[str, TaskInfo]) -> Match:
    """Two alignment seeds, one head, German and English; no contamination."""
    found = Match("nli", None, {})
    for system, seeds in zip(systems, ([None], [1, 2]), strict=True):
        for language in ("de", "en"):
            found.results.setdefault(system.label, {})[language] = {
                (seed, 1): (
                    system.runs[0],
                    add_unit(
                        system.runs[0],
                        tasks["nli"],
                        language,
                        [Score("e", "c", {"hit": 1.0, "n": 1.0})],
                        1,
                        alignment_seed=seed,
                        contamination={"hits": 0, "size": 1000},
                    ),
                )
                for seed in seeds
            }
    return found


def notes(match: Match, systems: list[System], clusters: int = 100) -> list[str]:
    return list(table_notes(match, systems, {"de": clusters, "en": 100}))


CLEAN = "in the bitext of sinkhorn: none of the tested texts"


def test_where_all_is_well_contamination_alone_is_reported(
    match: Match, systems: list[System]
) -> None:
    assert notes(match, systems) == [CLEAN]


def test_missing_cells_are_said(match: Match, systems: list[System]) -> None:
    del match.results["sinkhorn"]["en"]
    assert notes(match, systems)[0] == (
        "sinkhorn has no result in en: '-' in these columns and in its means"
    )
    del match.results["sinkhorn"]
    assert notes(match, systems) == ["no results at all: sinkhorn"]


def test_a_missing_baseline_is_said(match: Match, systems: list[System]) -> None:
    del match.results["untouched"]
    assert any("otx eval nli" in note for note in notes(match, systems))


def test_a_single_alignment_is_said(match: Match, systems: list[System]) -> None:
    for seeds in match.results["sinkhorn"].values():
        del seeds[2, 1]
    assert any("one alignment seed only: sinkhorn" in note for note in notes(match, systems))


def test_unequal_seeds_are_said(match: Match, systems: list[System]) -> None:
    del match.results["sinkhorn"]["de"][2, 1]
    assert "sinkhorn does not have all of its 2 seeds in de" in notes(match, systems)


def test_few_clusters_are_said(match: Match, systems: list[System]) -> None:
    assert notes(match, systems, 30) == [CLEAN]
    assert any("de (29)" in note for note in notes(match, systems, 29))


def test_results_left_out_are_said(match: Match, systems: list[System]) -> None:
    match.left_out = 3
    assert any(note.startswith("left out: 3 results") for note in notes(match, systems))


def test_a_fit_that_never_left_chance_is_named_once(match: Match, systems: list[System]) -> None:
    fit = {
        "metric": "accuracy",
        "best": 0.341,
        "size": 1000,
        "floor": "majority class",
        "floor_value": 0.333,
    }
    for language in ("de", "en"):
        held = match.results["sinkhorn"][language]
        for seed, left in (((1, 1), True), ((2, 1), False)):
            run, unit = held[seed]
            held[seed] = (run, replace(unit, fit={**fit, "left_chance": left}))
    assert [note for note in notes(match, systems) if "chance" in note] == [
        "sinkhorn 2, head seed 1, never left chance on nli: best development accuracy 34.1% of 1,000 examples, "
        "majority class 33.3%"
    ]


def test_an_undefined_development_score_is_named(match: Match) -> None:
    _, unit = match.results["sinkhorn"]["de"][1, 1]
    fit = {"metric": "f1", "best": float("nan"), "floor": None, "floor_value": None}
    note = chance_note("sinkhorn 1", replace(unit, fit={**fit, "left_chance": False}))
    assert note is not None and note.endswith("its development f1 is undefined")


def test_contamination_is_counted_by_language(
    match: Match, systems: list[System], make_run: Make, add_unit: Make, tasks: dict[str, TaskInfo]
) -> None:
    run: RunFolder = make_run("l", "l2")
    score = [Score("e", "c", {"hit": 1.0, "n": 1.0})]
    unit = add_unit(run, tasks["nli"], "de", score, contamination={"hits": 1200, "size": 5010})
    match.results["l2"] = {"de": {(1, None): (run, unit)}}
    said = notes(match, [*systems, System("l2", (run,), "untouched")])
    assert said[-2:] == [CLEAN, "in the bitext of l2: tested texts, 1,200 of 5,010 in de"]


def test_a_term_that_no_label_names_is_named(make_run: Make) -> None:
    plain = {"keep-close": 1.0}
    runs = [
        make_run("a", terms={"sinkhorn": 1.0, **plain}),
        make_run("b", objective="0.5*l2", terms={"l2": 0.5, **plain}),
        make_run("c", objective="keep-close", terms=plain),
        make_run("d", objective="mlm", terms={"mlm": 1.0}),
    ]
    assert added_terms(systems_of(runs, None, {})) == (
        "1*keep-close was added to sinkhorn, 0.5*l2",
    )


def test_a_run_that_is_not_exact_is_named(
    match: Match, systems: list[System], make_run: Make
) -> None:
    assert not any("not exact" in note for note in table_notes(match, systems, {}))
    entry = {"step": 1200, "changed": {"torch": ["2.5", "2.6"], "threads": ["2", "4"]}}
    run = make_run("other", inexact=[entry])
    notes = table_notes(match, [systems[0], System("sinkhorn", (run,), "untouched")], {})
    assert (
        "other is not exact: resumed at step 1,200 with a difference in torch 2.5, then 2.6; "
        "threads 2, then 4" in notes
    )
