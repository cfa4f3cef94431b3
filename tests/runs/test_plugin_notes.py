"""Differences between the plugins of runs and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otx.runs.comparison import compare
from otx.runs.plugin_notes import plugins_in_words, version_changes, version_differences
from otx.types import TaskInfo

Make = Callable[..., Any]


def used(kind: str, name: str, distribution: str, version: str) -> dict[str, str]:
    return {"kind": kind, "name": name, "distribution": distribution, "version": version}


OLD = [used("objective", "pull", "otx-pull", "0.1"), used("encoder", "mini", "otx", "1.0")]
NEW = [used("objective", "pull", "otx-pull", "0.2"), used("encoder", "mini", "otx", "1.0")]


def test_equal_plugins_and_unknown_ones_give_no_line() -> None:
    assert version_changes(OLD, list(reversed(OLD))) == []
    assert version_changes([], NEW) == []
    assert version_differences([("a", OLD), ("b", OLD), ("c", [])]) == []


def test_a_change_names_the_component_and_both_versions() -> None:
    assert version_changes(OLD, NEW) == [
        "objective pull: otx-pull 0.1 when the run began, otx-pull 0.2 now"
    ]
    watched = [*OLD, used("observer", "log", "otx-log", "3")]
    assert version_changes(OLD, watched) == [
        "observer log: not used when the run began, otx-log 3 now"
    ]


def test_a_difference_names_who_used_what() -> None:
    assert version_differences([("a", OLD), ("b", NEW), ("c", OLD)]) == [
        "objective pull: otx-pull 0.1 in a, c; otx-pull 0.2 in b"
    ]
    other = [used("objective", "pull", "fork", "0.1")]
    assert version_differences([("a", OLD), ("b", other)]) == [
        "objective pull: otx-pull 0.1 in a; fork 0.1 in b"
    ]


def test_what_changed_alike_shares_a_line_and_observers_are_left_out() -> None:
    both = [[used(kind, "x", "otx", v) for kind in ("task", "encoder", "observer")] for v in "12"]
    assert version_differences(zip("ab", both, strict=True)) == [
        "encoder x, task x: otx 1 in a; otx 2 in b"
    ]


def test_a_record_is_shown_by_distribution() -> None:
    assert (
        plugins_in_words({"plugins": OLD})
        == "otx-pull 0.1 (objective pull); otx 1.0 (encoder mini)"
    )
    assert plugins_in_words({}) == ""


def test_compare_notes_other_versions_and_compares_all_the_same(
    make_run: Make,
    make_untouched: Make,
    add_unit: Make,
    make_scores: Make,
    tasks: dict[str, TaskInfo],
) -> None:
    task = used("task", "nli", "otx-nli", "1")
    changed = {"plugin_changes": ["objective pull: otx-pull 0.1 when the run began, none now"]}
    runs = [
        make_run("one", "pull", plugins=OLD, **changed),
        make_run("two", "push", plugins=NEW),
        make_run("old", "draw"),
    ]
    base = make_untouched()
    versions = {"one": [task], "two": [{**task, "version": "2"}]}
    for run in [base, *runs]:
        plugins = {"plugins": versions[run.name]} if run.name in versions else {}
        add_unit(run, tasks["nli"], "de", make_scores([1, 0] * 20), 1, **plugins)
    found = compare(runs, tasks=tasks, samples=20)
    assert (
        "aligned with different plugins: objective pull: otx-pull 0.1 in one; otx-pull 0.2 in two"
        in found.notes
    )
    assert any(note.startswith("one was resumed with other plugins") for note in found.notes)
    (table,) = found.tables
    note = "evaluated with different plugins: task nli: otx-nli 1 in pull; otx-nli 2 in push"
    assert note in table.notes and len(table.rows) >= 4
