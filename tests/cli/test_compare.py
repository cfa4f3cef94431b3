import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from otx import cli
from otx.files.digests import content_key
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit, write_unit
from otx.types import Score

Otx = Callable[..., "subprocess.CompletedProcess[str]"]


def evaluated(run: RunFolder, hits: int, version: str = "2") -> None:
    """An xnli result in German: ``hits`` of 40 right."""
    scores = [Score(str(i), str(i), {"correct": float(i < hits), "n": 1.0}) for i in range(40)]
    fields = {
        "task": "xnli",
        "task_version": version,
        "language": "de",
        "metrics": {"accuracy": hits / 40},
        "alignment_seed": run.record.get("alignment_seed"),
        "head_seed": 1,
        "data_digest": "d",
        "model_digest": run.name,
        "training_digest": "t",
        "count": 40,
        "floor": None,
        "options": {},
        "contamination": {"hits": 0, "size": 40},
        "seconds": 1.0,
        "versions": {},
    }
    write_unit(run, EvalUnit(key=content_key(**fields), **fields), scores)  # type: ignore[arg-type]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the untouched encoder and two alignments, evaluated."""
    root = tmp_path / "runs"
    evaluated(RunFolder.untouched(root, "mini", "0123456789"), 20)
    for name, objective, hits in (("better", "sinkhorn", 35), ("worse", "l2", 5)):
        run = RunFolder.create(root, name, kind="align", settings={"align": {"obj": objective}})
        run.update(
            status="finished",
            model="mini",
            model_digest_before="0123456789",
            objectives=[objective],
            alignment_seed=1,
        )
        evaluated(run, hits)
    return tmp_path


def test_without_a_word_everything_is_compared_with_the_untouched(project: Path, otx: Otx) -> None:
    done = otx("compare")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert lines[0] == "xnli · accuracy in % · 40 examples"
    assert [line.split()[:1] for line in lines[3:9:1] if line[:1].strip()] == [
        ["untouched"],
        ["sinkhorn"],
        ["l2"],
    ]
    assert "+37.5▲" in done.stdout and "-37.5▼" in done.stdout


def test_runs_and_baseline_can_be_named(project: Path, otx: Otx) -> None:
    done = otx("compare", "better", "--baseline", "worse", "--format", "json")
    (table,) = json.loads(done.stdout)["tables"]
    assert [(row["system"], row["baseline"]) for row in table["rows"]] == [
        ("l2", None),
        ("sinkhorn", "l2"),
    ]
    assert table["rows"][1]["cells"][0]["difference"] == pytest.approx(0.75)


def test_settings_come_from_otx_toml(project: Path, otx: Otx) -> None:
    (project / "otx.toml").write_text('[compare]\nbaseline = "better"\nsamples = 3333\n')
    (table,) = json.loads(otx("compare", "--format", "json").stdout)["tables"]
    assert table["samples"] == 3333
    assert {row["baseline"] for row in table["rows"]} == {None, "sinkhorn"}


@pytest.mark.parametrize(
    ("form", "begins"), [("markdown", "### xnli"), ("latex", "% needs"), ("csv", "task,version")]
)
def test_every_format_goes_to_stdout_alone(project: Path, otx: Otx, form: str, begins: str) -> None:
    done = otx("compare", "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(begins)
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["bettr"], 2, "error: no run 'bettr' in runs\nhint: did you mean 'better'?\n"),
        (["--baseline", "wurse"], 2, "hint: did you mean 'worse'?"),
        (["--task", "xnly"], 2, "error: unknown task 'xnly'"),
        (["--task", "retrieval"], 3, "no results of retrieval in"),
        (["--metric", "acuracy"], 2, "hint: did you mean 'accuracy'?"),
        (["--format", "xml"], 2, "--format"),
        (["--set", "compare.sample=3"], 2, "did you mean 'compare.samples'?"),
    ],
)
def test_mistakes_are_told_in_a_line(
    project: Path,
    arguments: list[str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project)
    assert cli.run(["compare", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_results_that_cannot_be_compared_exit_3(project: Path, otx: Otx) -> None:
    run = RunFolder.open(project / "runs", "worse")
    for path in run.results.glob("*/*"):
        path.unlink()
    evaluated(run, 5, version="0")
    done = otx("compare")
    assert (done.returncode, done.stdout) == (3, "")
    assert "l2 cannot be compared: they differ in task version" in done.stderr
    assert otx("compare", "better").returncode == 0


def test_an_empty_folder_says_what_to_do(tmp_path: Path, otx: Otx) -> None:
    done = otx("compare")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: no run in runs has results\nhint: make some with: otx eval TASK\n"


def test_torch_is_not_needed(project: Path, otx: Otx) -> None:
    (project / "torch.py").write_text("raise SystemExit('torch was imported')")
    done = otx("compare", PYTHONPATH=str(project))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "text", ['{"schema": 1, "na', "[" * 100_000, '{"schema": 1, "kind": null}']
)
def test_a_damaged_record_does_not_hide_the_other_runs(
    project: Path, text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = project / "runs" / "broken"
    (folder / "checkpoints" / "step-00000001").mkdir(parents=True)
    (folder / "run.json").write_text(text)
    monkeypatch.chdir(project)
    assert cli.run(["compare", "--set", "compare.samples=100"]) == 0
    printed = capfd.readouterr()
    assert "sinkhorn" in printed.out and "l2" in printed.out
    assert "warning: skipped " in printed.err and "broken/run.json" in printed.err
    assert "keep the folder" in printed.err
    # By its name it is asked for, so that it cannot be left out; every command says the same.
    answers = set()
    for command in (
        ["compare", "broken"],
        ["show", "broken"],
        ["eval", "word-alignment", "--run", "broken"],
        ["predict", "xnli", "--run", "broken"],
        ["align", "--run", "broken"],
        ["align", "--resume", "broken"],
    ):
        assert cli.run([*command, "--quiet"]) == 3
        answers.add(capfd.readouterr().err)
    assert len(answers) == 1


def test_show_tells_head_seed_0_from_a_probe(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(project / "runs" / "better")
    path = next(run.results.rglob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"head_seed": 0}))
    monkeypatch.chdir(project)
    assert cli.run(["show", "better"]) == 0
    row = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("xnli"))
    assert row.split()[2] == "0"
