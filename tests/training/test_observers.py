"""What observers of a run are told, and that none of them can spoil it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from otx.alignment.trainable import TrainableAlignment
from otx.cli import run as otx

WATCHER = """
import json
from otx import hookimpl

def write(**event):
    with open("events.jsonl", "a") as file:
        file.write(json.dumps(event, default=dict) + "\\n")

@hookimpl
def otx_run_started(settings, step):
    write(hook="started", settings=settings, step=step)

@hookimpl
def otx_step_finished(step, metrics):
    write(hook="step", step=step, metrics=metrics)

@hookimpl
def otx_checkpoint_saved(folder, checkpoint):
    write(hook="checkpoint", path=str(checkpoint.relative_to(folder)), exists=checkpoint.is_dir())

@hookimpl
def otx_run_finished(status, reason):
    write(hook="finished", status=status, reason=reason)

@hookimpl
def otx_unit_finished(folder, unit):
    write(hook="unit", folder=folder.name, unit=unit)
"""
MEDDLER = """
from otx import hookimpl

@hookimpl
def otx_run_started(settings):
    settings["sinkhorn"]["epsilon"] = 7.0

@hookimpl
def otx_step_finished(metrics):
    metrics["loss"] = 7.0

@hookimpl
def otx_run_finished(status):
    {ending}

@hookimpl
def otx_unit_finished(unit):
    unit["metrics"]["accuracy"] = 7.0
"""
PLUGINS = ["--plugin", "meddler.py", "--plugin", "watcher.py"]


@pytest.fixture
def observed(align: Any) -> Any:
    """Write both observers beside the runs; returns `align`."""
    Path("watcher.py").write_text(WATCHER)
    Path("meddler.py").write_text(MEDDLER.format(ending="raise KeyboardInterrupt"))
    return align


def events(hook: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]
    return [event for event in found if event["hook"] == hook]


def test_a_run_is_told_from_its_step_on_and_nobody_alters_what_another_sees(
    observed: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loss, left = TrainableAlignment.loss, [2]

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    monkeypatch.setattr(TrainableAlignment, "loss", stopping)
    assert observed("--steps", "4", "--run", "r", *PLUGINS) == 5
    stopped = events("step")[-1]["step"]
    assert otx(["align", "--resume", "r", "--json", *PLUGINS]) == 0
    captured = capfd.readouterr()
    record = json.loads(captured.out)
    assert (
        record["status"] == "finished" == json.loads(Path("runs/r/run.json").read_text())["status"]
    )

    assert [event["step"] for event in events("started")] == [0, stopped]
    assert [event["step"] for event in events("step")] == [1, 2, 3, 4]
    assert [event["status"] for event in events("finished")] == ["interrupted", "finished"]
    options = events("started")[0]["settings"]
    assert options["sinkhorn"]["epsilon"] == 0.1 and "weight" not in options["sinkhorn"]
    assert options["align"]["steps"] == 4 and {"keep-close", "huggingface", "files"} <= set(options)
    assert all(event["metrics"]["loss"] != 7.0 for event in events("step"))
    failures = record["observer_failures"]
    assert any("otx_step_finished: TypeError" in line for line in failures)
    assert any("otx_run_finished: KeyboardInterrupt" in line for line in failures)

    used = {(one["kind"], one["name"]): one for one in record["plugins"]}
    assert used.keys() == {
        ("objective", "sinkhorn"), ("objective", "keep-close"), ("encoder", "huggingface"),
        ("corpus", "files"), ("observer", "meddler.py"), ("observer", "watcher.py"),
    }  # fmt: skip
    assert used["objective", "sinkhorn"]["distribution"] == "otx"
    assert used["objective", "sinkhorn"]["version"]
    assert "plugin_changes" not in record


def test_every_hook_is_called_in_order_with_what_is_written(observed: Any) -> None:
    assert (
        observed(
            "--steps", "4", "--set", "checkpoint.every=2", "--run", "r", "--plugin", "watcher.py"
        )
        == 0
    )
    assert otx(["eval", "retrieval", "--languages", "de", "--plugin", "watcher.py"]) == 0
    lines = Path("events.jsonl").read_text().splitlines()
    order = [json.loads(line)["hook"] for line in lines]
    assert order == ["started", *["step", "step", "checkpoint"] * 2, "finished", "unit", "unit"]
    rows = [json.loads(line) for line in Path("runs/r/metrics.jsonl").read_text().splitlines()]
    assert [event["metrics"] for event in events("step")] == rows and len(rows) == 4
    saved = events("checkpoint")
    assert [event["path"] for event in saved] == [f"checkpoints/step-{n:08}" for n in (2, 4)]
    assert all(event["exists"] for event in saved)
    for event in events("unit"):
        (written,) = Path("runs", event["folder"], "eval/retrieval").glob("de.*.json")
        assert event["unit"] == json.loads(written.read_text())
    record = json.loads(Path("runs/r/run.json").read_text())
    assert not record["observer_failures"]


def test_the_reason_of_a_failure_is_told(observed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: TrainableAlignment, batch: Any) -> Any:
        raise RuntimeError("no luck")

    monkeypatch.setattr(TrainableAlignment, "loss", failing)
    assert observed("--steps", "2", "--run", "r", *PLUGINS) == 1
    (event,) = events("finished")
    assert (event["status"], event["reason"]) == ("failed", "RuntimeError: no luck")


def test_a_signal_that_comes_while_a_finished_run_is_told_loses_nothing(
    observed: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    ending = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    Path("meddler.py").write_text(MEDDLER.format(ending=ending))
    assert observed("--steps", "1", "--run", "r", "--json", *PLUGINS) == 0
    assert json.loads(capfd.readouterr().out)["status"] == "finished"


@pytest.mark.usefixtures("aligned")
def test_evaluation_units_are_told_once_and_name_their_plugins(
    observed: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    evaluate = ["eval", "retrieval", "--languages", "de", "--json", *PLUGINS]
    assert otx(evaluate) == 0
    captured = capfd.readouterr()
    units = json.loads(captured.out)
    seen = events("unit")
    assert [event["folder"] for event in seen] == [unit["run"] for unit in units]
    assert [event["unit"]["metrics"] for event in seen] == [unit["metrics"] for unit in units]
    assert captured.err.count("otx_unit_finished: TypeError") == len(units) == 2
    named = {(one["kind"], one["name"]) for one in units[0]["plugins"]}
    assert {("task", "retrieval"), ("encoder", "huggingface"), ("observer", "watcher.py")} <= named
    assert otx(evaluate) == 0
    assert events("unit") == seen


def test_a_plugin_of_another_version_is_noted_at_resume_and_old_records_are_read(
    align: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--steps", "2", "--run", "r") == 0
    file = Path("runs/r/run.json")
    record = json.loads(file.read_text())
    for one in record["plugins"]:
        if one["kind"] == "objective":
            one["version"] = "0.0.1"
    file.write_text(json.dumps({**record, "status": "interrupted"}))
    assert otx(["align", "--resume", "r"]) == 0
    line = "objective keep-close, objective sinkhorn: otx 0.0.1 when the run began, otx "
    assert f"resumed with other plugins: {line}" in capfd.readouterr().err
    changed = json.loads(file.read_text())
    assert len(changed["plugin_changes"]) == 1 and changed["plugins"] == record["plugins"]

    del record["plugins"]
    file.write_text(json.dumps({**record, "status": "interrupted"}))
    assert otx(["align", "--resume", "r"]) == 0
    assert "other plugins" not in capfd.readouterr().err
    assert otx(["show", "r"]) == 0
