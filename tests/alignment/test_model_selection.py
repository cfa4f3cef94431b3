"""Diagnostics during a run: the best encoder by one held-out part is kept, and the other part reports."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from otx.alignment import diagnostics
from otx.alignment.diagnostics import Measurement


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("runs", name, "run.json").read_text())
    return found


def rows(name: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in Path("runs", name, "metrics.jsonl").open()]


@pytest.fixture
def bitext(larger_bitext: str) -> str:
    """What ``align`` runs on here."""
    return larger_bitext


def scripted(monkeypatch: pytest.MonkeyPatch, metric: str, values: list[float]) -> list[Any]:
    """Make diagnostics return these values in turn; keep what was measured on, in the same order."""
    seen: list[Any] = []

    def measure(encoder: Any, parts: Any, *_: Any, **__: Any) -> list[Measurement]:
        measured = []
        for part in parts:
            lines = [pair.line for corpus in part.pairs for pair in corpus]
            seen.append((lines, list(part.gold)))
            numbers = {metric: values[len(seen) - 1]}
            measured.append(Measurement(numbers, {}, {"de": 9}, {metric: 16}, {metric: 8}))
        return measured

    monkeypatch.setattr(diagnostics, "measure", measure)
    # What the initial encoder is said to be is cached, and must not be so for the other tests.
    monkeypatch.setenv("OTX_CACHE", str(Path("scripted-cache").absolute()))
    return seen


@pytest.mark.parametrize(
    ("metric", "looks", "best"), [("retrieval", [0.1, 0.4, 0.3], 4), ("aer", [0.5, 0.6, 0.5], 2)]
)
def test_the_best_of_the_looks_is_what_is_kept(
    align: Any, metric: str, looks: list[float], best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        seen = scripted(patched, metric, [0.2, 0.1, *looks, 0.25])
        wanted = ["--steps", "6", "--lr", "0.01", "--set", "diagnostics.every=2", "--gold", gold()]
        assert align(*wanted, "--keep-best", metric, "--run", "kept") == 0
    assert record("kept")["best"] == {"metric": metric, "step": best, "value": looks[best // 2 - 1]}
    assert [row.get(f"guards.{metric}") for row in rows("kept")[1::2]] == looks
    first, *chosen, last = seen
    assert first == last and all(look == chosen[0] for look in chosen)
    assert not {*chosen[0][0]} & {*first[0]}
    if metric == "aer":
        assert chosen[0][1] and not [pair for pair in chosen[0][1] if pair in first[1]]
    # A run that chooses nothing has the same weights at that step, and others at its end.
    every = ["--set", "checkpoint.every=2", "--set", "checkpoint.keep=9"]
    assert align(*wanted, *every, "--run", "plain") == 0
    kept = load_file("runs/kept/model/model.safetensors")
    stored = load_file(f"runs/plain/checkpoints/step-{best:08d}/tensors.safetensors")
    common = [name for name in kept if f"encoder/{name}" in stored]
    assert len(common) > 10
    assert all(torch.equal(stored[f"encoder/{name}"], kept[name]) for name in common)
    last_weights = load_file("runs/plain/model/model.safetensors")
    assert not all(torch.equal(last_weights[name], value) for name, value in kept.items())


def gold() -> str:
    sample = Path(__file__).parents[2] / "plugins/otx_corpora/sample/heldout.en-de.gold"
    return str(sample)


def test_without_a_metric_the_last_is_kept_and_looks_are_only_logged(align: Any) -> None:
    assert align("--steps", "4", "--set", "diagnostics.every=2", "--run", "r") == 0
    assert align("--steps", "4", "--run", "unwatched") == 0
    assert record("r")["best"] is None
    assert ["guards.retrieval" in row for row in rows("r")] == [False, True, False, True]
    one, other = (load_file(f"runs/{n}/model/model.safetensors") for n in ("r", "unwatched"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep-best", "aer"], "there are no gold word links"),
        (["--keep-best", "retrieval", "--set", "data.heldout=0"], "no pair is held out"),
        (["--keep-best", "retrieval", "--set", "data.heldout=10"], "too few examples: cannot"),
        (["--keep-best", "loss"], "must be one of retrieval, aer"),
    ],
)
def test_a_metric_that_cannot_be_measured_is_refused_before_training(
    align: Any, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align(*arguments, "--steps", "2", "--run", "r") == 2
    assert message in capfd.readouterr().err
    assert not Path("runs/r").exists()


@pytest.mark.parametrize("metric", ["retrieval", "aer"])
def test_a_metric_at_its_ceiling_is_refused_before_training(
    align: Any, metric: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    value = {"retrieval": 0.975, "aer": 0.02}[metric]

    def measure(encoder: Any, parts: Any, *_: Any, **__: Any) -> list[Measurement]:
        return [Measurement({metric: value}, {}, {}, {metric: 100}, {metric: 5}) for _ in parts]

    monkeypatch.setattr(diagnostics, "measure", measure)
    wanted = ["--keep-best", metric, "--gold", gold(), "--steps", "2", "--run", "r"]
    assert align(*wanted) == 2
    said = capfd.readouterr().err
    assert f"the best cannot be kept by {metric}, {value:.1%} before training" in said
    assert "at its ceiling: cannot show a gain (5 of 100 pairs have an error)" in said
    assert "hint:" in said and ("diagnostics.candidates" in said) == (metric == "retrieval")
    # No run that could never be finished holds the name.
    assert not Path("runs/r").exists()


def test_before_after_and_looks_search_recorded_numbers_of_candidates(
    align: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    measure, seen = diagnostics.measure, []

    def counting(encoder: Any, parts: Any, *rest: Any, **named: Any) -> list[Measurement]:
        measured = measure(encoder, parts, *rest, **named)
        seen.append([own.candidates["de"] for own in measured])
        return measured

    monkeypatch.setattr(diagnostics, "measure", counting)
    assert align("--steps", "4", "--keep-best", "retrieval", "--set", "diagnostics.every=2") == 0
    (report, select), *looks, (after,) = seen
    # 160 pairs, 32 of them held out in halves; two steps train on less text than 128 pairs have.
    assert report == after == 144
    assert 16 < select < report and looks == [[select], [select]]
    out = capfd.readouterr().out
    assert "held-out retrieval, 144 candidates" in out
    assert f"on the selection pairs, {select} candidates" in out
    (run,) = Path("runs").glob("*/run.json")
    recorded = json.loads(run.read_text())["diagnostics"]
    assert recorded["report"]["candidates"] == {"de": 144}
    assert recorded["select"]["candidates"] == {"de": select}
    assert recorded["report"]["queries"] == recorded["select"]["queries"] == {"de": 32}


def test_candidates_are_at_most_those_of_the_setting(align: Any) -> None:
    sets = ["--set", "diagnostics.candidates=50", "--set", "diagnostics.every=1000"]
    assert align("--steps", "1", *sets, "--run", "r") == 0
    assert record("r")["diagnostics"]["report"]["candidates"] == {"de": 50}


def test_the_last_step_is_looked_at_however_few_there_are(align: Any) -> None:
    assert align("--steps", "3", "--keep-best", "retrieval", "--run", "r") == 0
    assert record("r")["best"]["step"] == 3
    assert ["guards.retrieval" in row for row in rows("r")] == [False, False, True]


def test_the_best_survives_a_stop(align: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best so far lies on disk: a run stopped behind it and resumed ends with the same encoder."""
    import os
    import signal

    from otx.alignment.trainable import TrainableAlignment
    from otx.cli import run as otx

    wanted = ["--steps", "6", "--lr", "0.01", "--keep-best", "retrieval"]
    wanted += ["--set", "diagnostics.every=1"]
    assert align(*wanted, "--run", "whole") == 0
    loss, seen = TrainableAlignment.loss, [0]

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        seen[0] += 1
        if seen[0] == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    monkeypatch.setattr(TrainableAlignment, "loss", stopping)
    assert align(*wanted, "--run", "parts") == 5
    assert otx(["align", "--resume", "parts", "--quiet"]) == 0
    assert record("parts")["best"] == record("whole")["best"]
    one, other = (load_file(f"runs/{n}/model/model.safetensors") for n in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_initial_encoder_is_measured_once_for_all_runs_that_begin_with_it(
    align: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    measure = diagnostics.measure

    def counted(encoder: Any, parts: Any, *rest: Any, **options: Any) -> list[Measurement]:
        calls.append(len(parts))
        return measure(encoder, parts, *rest, **options)

    monkeypatch.setattr(diagnostics, "measure", counted)
    changes = {
        "first": ([], 2),
        "same": (["--seed", "7", "--objective", "l2"], 1),
        "layer": (["--set", "encoder.layer=0"], 2),
        "length": (["--set", "encoder.max_length=9"], 2),
        "heldout": (["--set", "data.heldout=8"], 2),
        "candidates": (["--set", "diagnostics.candidates=30"], 2),
        "gold": (["--gold", gold()], 2),
        "looks": (["--set", "diagnostics.every=1"], 3),
    }
    for name, (arguments, expected) in changes.items():
        calls.clear()
        assert align("--steps", "1", "--run", name, *arguments) == 0
        assert (name, len(calls)) == (name, expected)
    assert record("same")["guards"]["before"] == record("first")["guards"]["before"]
    assert record("same")["diagnostics"] == record("first")["diagnostics"]
    assert record("looks")["diagnostics"].keys() == {"report", "select"}
