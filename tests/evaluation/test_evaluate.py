"""Evaluation of runs: cached by content, resumable, and never another model's numbers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from otx.cli import run as otx
from otx.evaluation import finetune
from otx_tasks.classification.xnli import XnliTask

EVALUATE = ["eval", "retrieval", "--quiet", "--languages", "de,fr", "--json"]
LABELS = ("entailment", "neutral", "contradiction")


def units(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(capfd.readouterr().out)
    return found


@pytest.mark.usefixtures("aligned")
def test_a_run_is_evaluated_behind_its_untouched_encoder_and_only_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert otx(EVALUATE) == 0
    first = units(capfd)
    assert [(unit["run"].split("-")[0], unit["language"]) for unit in first] == [
        ("untouched", "de"), ("untouched", "fr"), ("r", "de"), ("r", "fr"),
    ]  # fmt: skip
    assert all(unit["count"] == 100 and unit["contamination"]["hits"] == 0 for unit in first)
    assert otx(EVALUATE) == 0
    assert [unit["written"] for unit in units(capfd)] == [unit["written"] for unit in first]


def test_an_encoder_that_moved_is_found_and_its_place_is_not_taken_by_another(
    tiny_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    one = ["eval", "retrieval", "--quiet", "--languages", "de", "--json", "--model"]
    shutil.copytree(tiny_model, "ckpt")
    assert otx([*one, "ckpt"]) == 0
    first = units(capfd)[0]
    shutil.move("ckpt", "old/ckpt")
    shutil.copytree("old/ckpt", "ckpt")
    tensors = load_file("ckpt/model.safetensors")
    tensors = {name: torch.randn_like(tensor) for name, tensor in tensors.items()}
    save_file(tensors, "ckpt/model.safetensors", metadata={"format": "pt"})
    assert otx([*one, "ckpt"]) == 0
    other = units(capfd)[0]
    assert otx([*one, "old/ckpt", "--set", "retrieval.neighbours=3"]) == 0
    again = units(capfd)[0]
    assert again["run"] == first["run"] != other["run"]
    assert again["model_digest"] == first["model_digest"] != other["model_digest"]
    assert again["metrics"]["accuracy"] == first["metrics"]["accuracy"]
    record = json.loads(Path("runs", first["run"], "run.json").read_text())
    assert record["model"] == "old/ckpt"


def test_a_changed_encoder_is_not_taken_for_the_one_that_a_run_began_with(
    align: Any, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_model, "ckpt")
    assert align("--steps", "1", "--run", "r", model="ckpt") == 0
    one = ["eval", "retrieval", "--quiet", "--languages", "de"]
    assert otx([*one, "--model", "ckpt"]) == 0
    (untouched,) = Path("runs").glob("untouched-*")
    tensors = load_file("ckpt/model.safetensors")
    tensors = {name: tensor + 1 for name, tensor in tensors.items()}
    save_file(tensors, "ckpt/model.safetensors", metadata={"format": "pt"})
    capfd.readouterr()
    assert otx([*one, "--run", "r"]) == 3
    assert "ckpt is no longer the encoder that run r began with" in capfd.readouterr().err
    assert otx([*one, "--run", untouched.name]) == 3
    assert "no longer the encoder whose results are in" in capfd.readouterr().err
    assert [*Path("runs").glob("untouched-*")] == [untouched]


@pytest.mark.usefixtures("aligned")
def test_an_untouched_encoder_that_is_named_beside_its_run_is_evaluated_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert otx(EVALUATE) == 0
    first = units(capfd)
    assert otx([*EVALUATE, "--run", "r", "--run", first[0]["run"], "--run", "r"]) == 0
    assert units(capfd) == first


@pytest.mark.usefixtures("aligned")
def test_other_weights_under_the_same_name_are_computed_anew(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert otx(EVALUATE) == 0
    before = {(unit["run"], unit["language"]): unit for unit in units(capfd)}
    path = Path("runs/r/model/model.safetensors")
    torch.manual_seed(0)
    tensors = {name: torch.randn_like(value) for name, value in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    assert otx(EVALUATE) == 0
    after = {(unit["run"], unit["language"]): unit for unit in units(capfd)}
    assert before["r", "de"]["key"] != after["r", "de"]["key"]
    untouched = next(name for name, _ in before if name.startswith("untouched"))
    assert before[untouched, "de"] == after[untouched, "de"]


@pytest.fixture
def nli(tmp_path: Path) -> Path:
    """A made XNLI in XTREME's layout: the label is told by the hypothesis's last word."""
    folder = tmp_path / "nli"
    folder.mkdir()
    rows = [
        (f"premise number {i // 3} is here", f"so it is {LABELS[i % 3]}", LABELS[i % 3])
        for i in range(240)
    ]
    text = ["\t".join(row) for row in rows]
    (folder / "train-en.tsv").write_text("\n".join(text[:180]) + "\n")
    for language in ("en", "de"):
        (folder / f"test-{language}.tsv").write_text("\n".join(text[180:]) + "\n")
    return folder


def evaluate_nli(folder: Path, *more: str) -> int:
    sets = {"epochs": "1", "lr": "1e-3", "batch": "16"}
    options = [word for key, value in sets.items() for word in ("--set", f"xnli.{key}={value}")]
    common = ["eval", "xnli", "--quiet", "--json", "--data", str(folder), "--model"]
    return otx([*common, *more, *options])


def test_a_killed_head_goes_on_and_ends_as_if_never_killed(
    tiny_model: Path,
    nli: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluate_nli(nli, str(tiny_model), "--set", "runs.folder=whole", "--seeds", "1,2") == 0
    whole = units(capfd)
    assert {(u["language"], u["head_seed"]) for u in whole if u["floor"] is None} == {
        ("en", 1), ("en", 2), ("de", 1), ("de", 2),
    }  # fmt: skip
    floors = [u for u in whole if u["floor"]]
    assert [u["language"] for u in floors] == ["en", "de"]
    assert all(u["metrics"]["accuracy"] == pytest.approx(1 / 3) for u in floors)
    loss, seen = finetune.TrainableHead.loss, [0]

    def stopping(self: finetune.TrainableHead, batch: Any) -> Any:
        seen[0] += 1
        if seen[0] in (4, 15):
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    monkeypatch.setattr(finetune.TrainableHead, "loss", stopping)
    codes = []
    while not codes or codes[-1] == 5:
        capfd.readouterr()
        codes.append(
            evaluate_nli(nli, str(tiny_model), "--set", "runs.folder=parts", "--seeds", "1,2")
        )
    assert codes == [5, 5, 0]
    parts = units(capfd)
    assert [u["metrics"] for u in parts] == [u["metrics"] for u in whole]
    assert [u["key"] for u in parts] == [u["key"] for u in whole]


def test_a_signal_while_predicting_keeps_what_is_done(
    tiny_model: Path,
    nli: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    decode, seen = XnliTask.decode, [0]

    def stopping(self: XnliTask, *arguments: Any) -> Any:
        seen[0] += 1
        if seen[0] == 6:  # four checks on development data, English, and now German
            os.kill(os.getpid(), signal.SIGINT)
        return decode(self, *arguments)

    monkeypatch.setattr(XnliTask, "decode", stopping)
    assert evaluate_nli(nli, str(tiny_model)) == 5
    assert "run the same command again" in capfd.readouterr().err
    assert len(list(tmp_path.glob("runs/**/*.predictions.jsonl.gz"))) == 1
    assert evaluate_nli(nli, str(tiny_model)) == 0
    assert len([u for u in units(capfd) if u["floor"] is None]) == 2


def test_two_seeds_of_one_setting_are_one_system(
    align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    for seed in ("1", "2"):
        assert align("--steps", "2", "--run", f"r{seed}", "--seed", seed) == 0
    evaluate = ["eval", "retrieval", "--quiet", "--languages", "de"]
    assert otx([*evaluate, "--run", "r1", "--run", "r2"]) == 0
    capfd.readouterr()
    assert otx(["compare", "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["systems"]["sinkhorn"] == ["r1", "r2"]


@pytest.mark.usefixtures("aligned")
def test_what_the_bitext_shares_with_the_test_is_counted(
    align: Any, bitext: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half of the tested pairs are lines of the bitext, in other case and punctuation."""
    folder = tmp_path / "shared"
    folder.mkdir()
    for language in ("en", "de"):
        lines = Path(f"{bitext}.{language}").read_text(encoding="utf-8").splitlines()[:10]
        own = [f"{'neun' if language == 'de' else 'nine'} {i} xyz" for i in range(10)]
        text = "\n".join([line.upper() + " !!" for line in lines] + own) + "\n"
        (folder / f"test.en-de.{language}").write_text(text, encoding="utf-8")
    assert otx(["eval", "retrieval", "--quiet", "--json", "--data", str(folder)]) == 0
    untouched, aligned = units(capfd)
    assert untouched["contamination"] == {"hits": 0, "size": 40}
    # Of the ten pairs some are held out, and so not in the bitext that was trained on.
    assert 0 < aligned["contamination"]["hits"] <= 20


@pytest.mark.usefixtures("aligned")
def test_unknown_languages_tasks_and_runs_are_refused_before_work(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert otx(["eval", "retrieval", "--languages", "xx", "--quiet"]) == 2
    assert "retrieval has no data for xx\n" in capfd.readouterr().err
    assert otx(["eval", "retrival", "--quiet"]) == 2
    assert "did you mean 'retrieval'?" in capfd.readouterr().err
    assert otx(["eval", "retrieval", "--run", "q", "--quiet"]) == 2
    assert "no run 'q'" in capfd.readouterr().err


def test_the_weights_that_are_kept_are_those_best_on_development_data(
    tiny_model: Path,
    nli: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Checks that say less and less: the first is kept, as a training that ends there would."""
    monkeypatch.chdir(tmp_path)
    found, told = [], iter([0.9, 0.5, 0.4, 0.3, 0.9, 0.8, 0.7])
    monkeypatch.setattr(finetune, "metrics_of", lambda task, scores: {"accuracy": next(told)})
    for more in ((), ("--set", "eval.patience=2")):
        assert evaluate_nli(nli, str(tiny_model), *more) == 0
        found.append([u["metrics"] for u in units(capfd) if u["floor"] is None])
        record = json.loads(next(Path("runs").glob("*/heads/xnli-1/fitted.json")).read_text())
        assert record["step"] == min(map(int, record["development"]))
        assert len(record["development"]) == (3 if more else 4)
    assert found[0] == found[1]
    assert next(told, None) is None


def test_a_fitted_model_is_a_plain_folder_that_predicts_the_same_and_is_not_fitted_again(
    tiny_model: Path,
    nli: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluate_nli(nli, str(tiny_model), "--languages", "en") == 0
    (first,) = [u for u in units(capfd) if u["floor"] is None]
    monkeypatch.setattr(finetune, "fit", lambda *_: pytest.fail("fitted again"))
    assert evaluate_nli(nli, str(tiny_model), "--languages", "en,de") == 0
    both = [u for u in units(capfd) if u["floor"] is None]
    assert both[0] == first
    assert both[1]["metrics"] == first["metrics"]  # the German file holds the same text
    folder = next(Path("runs").glob("*/heads/xnli-1"))
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert tuple(model.config.id2label.values()) == LABELS
    # As an encoder that brings its head, it gives the same numbers.
    assert evaluate_nli(nli, str(folder), "--languages", "en") == 0
    (carried,) = [u for u in units(capfd) if u["floor"] is None]
    assert carried["metrics"] == first["metrics"] and carried["head_seed"] is None


SIDE_BY_SIDE = """
import sys
from otx.cli import run
sys.exit(run(sys.argv[1:]))
"""


def test_processes_side_by_side_share_the_work_and_do_nothing_twice(
    tiny_model: Path, nli: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-c", SIDE_BY_SIDE, "eval", "xnli", "--json", "--data", str(nli),
        "--model", str(tiny_model), "--seeds", "1,2,3", "--set", "xnli.epochs=1",
        "--set", "xnli.batch=16", "--set", "xnli.lr=1e-3",
    ]  # fmt: skip
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    tables = [json.loads(out) for out, _ in said]
    assert tables[0] == tables[1] and len(tables[0]) == 8
    fits = [line for _, told in said for line in told.splitlines() if "Fine-tuning the" in line]
    assert len(fits) == 3
