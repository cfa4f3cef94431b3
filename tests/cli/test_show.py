"""`otx show` prints what the folder of a run records, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from otx.cli import run as otx
from otx.config.settings import load_settings
from otx.plugin_host.host import host
from otx.runs.folder import RunFolder
from otx.runs.result_rows import result_rows
from otx.runs.results import EvalUnit, read_units, write_unit
from otx.types import Score


def test_a_run_is_told_whole(align: Any, bitext: str, capfd: pytest.CaptureFixture[str]) -> None:
    terms = ["--objective", "sinkhorn", "--objective", "0.5*mlm"]
    assert align(*terms, "--steps", "2", "--lr", "0.01", "--run", "r") == 0
    assert otx(["eval", "word-alignment", "--run", "r", "--quiet"]) == 0
    capfd.readouterr()
    assert otx(["show", "r"]) == 0
    out = capfd.readouterr().out
    record = json.loads(Path("runs/r/run.json").read_text())
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    assert lines["run"].endswith("r, finished")
    assert lines["objective"].endswith("1*sinkhorn + 0.5*mlm + 0.1*keep-close")
    assert lines["steps"].split()[1] == "2" and "peak rate of 0.01" in lines["steps"]
    assert lines["optimizer.lr"].endswith("0.01  (--lr)")
    assert f"{record['corpora'][0]['ledger']['used']} pairs" in lines["de-en"]
    assert "held-out retrieval" in out and "aer" in out
    units = [path for path in Path("runs/r/eval").rglob("*.json")]
    assert sum(line.startswith("word-alignment ") for line in out.splitlines()) == len(units)


def test_json_is_the_record_and_the_results(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert align("--steps", "2", "--run", "r") == 0
    capfd.readouterr()
    assert otx(["show", "r", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    results = told.pop("results")
    assert results == [] and told == json.loads(Path("runs/r/run.json").read_text())


def test_a_run_that_failed_says_why(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert align("--steps", "2", "--lr", "1e30", "--run", "r") == 1
    capfd.readouterr()
    assert otx(["show", "r"]) == 0
    out = capfd.readouterr().out
    assert "r, failed" in out and "error" in out


def test_a_long_text_of_the_record_is_cut(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert align("--steps", "1", "--run", "r") == 0
    path = Path("runs/r/run.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": "x" * 300_000}))
    capfd.readouterr()
    assert otx(["show", "r"]) == 0
    out = capfd.readouterr().out
    assert "300,0" in out and len(out) < 20_000
    # Asked for the model, the system refuses its name: a line, and not the name in full.
    assert otx(["eval", "word-alignment", "--run", "r", "--quiet"]) == 1
    err = capfd.readouterr().err
    assert "File name too long" in err and len(err) < 1_000


def test_a_run_that_is_not_there_is_named(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["show", "nowhere"]) == 2
    assert "error: no run 'nowhere' in runs\n" in capfd.readouterr().err


def add_unit(run: RunFolder, language: str, **changes: Any) -> None:
    fields: dict[str, Any] = {
        "task": "xnli",
        "task_version": "1",
        "language": language,
        "metrics": {"accuracy": 0.5},
        "alignment_seed": None,
        "head_seed": None,
        "data_digest": "data",
        "model_digest": "weights",
        "training_digest": None,
        "count": 2,
        "floor": None,
        "options": {},
        "contamination": {"hits": 0, "size": 2},
        "seconds": 1.0,
        "versions": {},
        **changes,
    }
    scores = [Score("a", "a", {"hit": 1.0}), Score("b", "b", {"hit": 0.0})]
    write_unit(run, EvalUnit(key=f"{language}{sorted(changes)}".encode().hex(), **fields), scores)


@pytest.fixture
def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """An untouched encoder with a head of seed 0, a probe and a floor, one of them in the bitext."""
    monkeypatch.chdir(tmp_path)
    run = RunFolder.untouched(Path("runs"), "mini", "0123456789abcdef")
    add_unit(run, "en", head_seed=0)
    add_unit(run, "de", contamination={"hits": 1, "size": 2})
    add_unit(run, "fr", floor="majority")
    return run


def test_head_seed_zero_is_shown_as_zero(
    evaluated: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert otx(["show", evaluated.name]) == 0
    rows = [line.split() for line in capfd.readouterr().out.splitlines() if line.startswith("xnli")]
    assert [row[1:3] for row in rows] == [["de", "-"], ["en", "0"], ["fr", "(majority)"]]


def test_results_have_the_same_row_with_and_without_the_run(evaluated: RunFolder) -> None:
    registry = host(load_settings()).registry
    named = [("r", unit) for unit in read_units(evaluated)]
    heading, *rows = result_rows(named, registry)
    assert heading == ("TASK", "LANGUAGE", "RUN", "SEED", "N", "METRICS")
    warning = "accuracy 50.0  ! 1 of 2 texts are in the bitext"
    assert rows == [
        ("xnli", "de", "r", "-", "2", warning),
        ("xnli", "en", "r", "0", "2", "accuracy 50.0"),
        ("xnli", "fr", "(majority)", "-", "2", "accuracy 50.0"),
    ]
    assert result_rows(named, registry, show_runs=False) == [
        ("TASK", "LANGUAGE", "SEED", "N", "METRICS"),
        ("xnli", "de", "-", "2", warning),
        ("xnli", "en", "0", "2", "accuracy 50.0"),
        ("xnli", "fr", "(majority)", "2", "accuracy 50.0"),
    ]
