"""The functions of `import otx`, on a tiny encoder and 40 sentence pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import otx
from otx.cli import run as command
from otx.errors import UsageError

STEPS = {"align.steps": 2, "data.batch_tokens": 300, "runtime.device": "cpu"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    return tmp_path


def weights(run: otx.Run) -> dict[str, torch.Tensor]:
    return load_file(run.model_path / "model.safetensors")


def equal(first: otx.Run, second: otx.Run) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_call_and_the_command_give_equal_weights(
    place: Path, tiny_model: Path, bitext: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run = otx.align(
        model=tiny_model, corpus=bitext, objective=["l2", "0.5*sinkhorn"], settings=STEPS, name="a"
    )
    flags = [flag for key, value in STEPS.items() for flag in ("--set", f"{key}={value}")]
    terms = ["--objective", "l2", "--objective", "0.5*sinkhorn"]
    where = ["--model", str(tiny_model), "--corpus", bitext]
    assert command(["align", *terms, *where, *flags, "--run", "b", "--quiet"]) == 0
    assert equal(run, otx.load_run("b"))
    assert run.status == "finished" and run.settings["align"]["objective"] == ["l2", "0.5*sinkhorn"]
    assert run.record["origins"]["align.steps"] == "argument"
    assert len(run.metrics()) == 2 and list(run.metrics()["step"]) == [1, 2]
    assert "Run a" in repr(run) and "<table>" in run._repr_html_()
    assert capfd.readouterr().out.count("Run a") == 0


def test_results_are_those_of_the_command(
    place: Path, aligned: None, capfd: pytest.CaptureFixture[str]
) -> None:
    results = otx.evaluate("r", tasks=["retrieval"], languages=["de"])
    assert command(["eval", "retrieval", "--run", "r", "--languages", "de", "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert [row["key"] for row in printed] == [result.unit.key for result in results]
    frame = results.to_pandas()
    assert list(frame["accuracy"]) == [row["metrics"]["accuracy"] for row in printed]
    assert "retrieval" in repr(results) and "<table>" in results._repr_html_()
    comparison = otx.compare(["r"])
    cells = comparison.to_pandas()
    assert set(cells["system"]) == {row.system for row in comparison.data.tables[0].rows}
    (value,) = cells[(cells["role"] == "system") & (cells["column"] == "de")]["value"]
    (mean,) = {row["metrics"]["accuracy"] for row in printed if row["run"] == "r"}
    assert value == pytest.approx(mean)
    assert json.loads(comparison.table("json")) == json.loads(json.dumps(comparison.as_dict()))
    for form in ("text", "markdown", "csv", "latex"):
        assert "retrieval" in comparison.table(form)  # type: ignore[arg-type]
    assert "<pre" in comparison._repr_html_() and "<script" not in comparison._repr_html_()


def test_an_encoder_is_the_runs_or_the_models(place: Path, aligned: None, tiny_model: Path) -> None:
    run = otx.load_run("r")
    aligned_state = otx.load_encoder(run).module.state_dict()
    by_name = otx.load_encoder("r").module.state_dict()
    before = otx.load_encoder(tiny_model).module.state_dict()
    changed = [name for name in before if not torch.equal(before[name], aligned_state[name])]
    assert changed and all(torch.equal(by_name[name], aligned_state[name]) for name in by_name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"settings": {"align.lr": 1}}, "argument: 'align.lr' is now 'optimizer.lr'"),
        ({"settings": {"optimizer.lr": "fast"}}, "argument: optimizer.lr must be a number"),
        ({"settings": {"optimiser.lr": 1}}, "optimiser"),
        ({"objective": "sinkhron"}, "unknown objective 'sinkhron'"),
        ({"objective": [3]}, "objective: int is neither a name nor an objective"),
        ({"recipe": "nothing"}, "unknown recipe 'nothing'"),
        ({"model": "mini", "settings": {"encoder.model": "x"}}, "'encoder.model' is given twice"),
        ({"resume": "r", "settings": {"align.steps": 1}}, "a resumed run takes the settings"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    place: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        otx.align(**arguments)
    assert message in str(caught.value)
    assert not Path("runs").exists()


def test_no_task_and_no_run_are_refused(place: Path) -> None:
    with pytest.raises(UsageError, match="no task is given"):
        otx.evaluate("mini")
    with pytest.raises(UsageError, match="no run 'nothing'"):
        otx.load_run("nothing")
