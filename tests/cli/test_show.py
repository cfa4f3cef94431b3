"""`otx show` tells what lies in the folder, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from otx.cli import run as otx


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
    assert otx(["show", "none"]) == 2
    assert "none" in capfd.readouterr().err
