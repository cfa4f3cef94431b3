"""`otx predict`: lines in, predictions out, equal to what the evaluation said of the same examples."""

import gzip
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from otx.cli import run as otx

LABELS = ("entailment", "neutral", "contradiction")


@pytest.fixture(scope="module")
def fitted_once(aligned_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run `r` that has heads for xnli and pos, made once."""
    folder = tmp_path_factory.mktemp("fitted")
    shutil.copytree(aligned_once, folder, dirs_exist_ok=True)
    data = folder / "data"
    data.mkdir()
    rows = [f"a thing {i}\tit is {LABELS[i % 3]}\t{LABELS[i % 3]}" for i in range(60)]
    (data / "train-en.tsv").write_text("\n".join(rows[:40]) + "\n")
    (data / "test-en.tsv").write_text("\n".join(rows[40:]) + "\n")
    words = ["dogs\tNOUN\nrun\tVERB\n.\tPUNCT\n" * 1, "cats\tNOUN\nsleep\tVERB\n"]
    (folder / "pos").mkdir()
    (folder / "pos/train-en.tsv").write_text("\n".join(words * 20))
    (folder / "pos/test-en.tsv").write_text("birds\tNOUN\nfly\tVERB\n\n")
    common = ["--quiet", "--run", "r", "--languages", "en"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert otx(["eval", "xnli", *common, "--data", "data", "--set", "xnli.epochs=1"]) == 0
        assert otx(["eval", "pos", *common, "--data", "pos", "--set", "pos.epochs=1"]) == 0
    return folder


@pytest.fixture
def fitted(fitted_once: Path, tmp_path: Path, align: Any, capfd: pytest.CaptureFixture[str]) -> str:
    """Copy the run `r` with its heads and their data into the folder of `align`; returns its name."""
    shutil.copytree(fitted_once, tmp_path, dirs_exist_ok=True)
    capfd.readouterr()
    return "r"


def say(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_predictions_are_those_of_the_evaluation(
    fitted: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Path("data/test-en.tsv").read_text().splitlines()
    say(monkeypatch, "".join("\t".join(row.split("\t")[:2]) + "\r\n" for row in lines).encode())
    assert otx(["predict", "xnli", "--run", fitted]) == 0
    said = capfd.readouterr().out.splitlines()
    kept = next(Path("runs/r/eval/xnli").glob("en.*.predictions.jsonl.gz"))
    rows = map(json.loads, gzip.decompress(kept.read_bytes()).decode().splitlines())
    assert said == [row["prediction"] for row in rows]
    # The same model by its folder, which knows nothing of the run.
    say(monkeypatch, "".join("\t".join(row.split("\t")[:2]) + "\n" for row in lines).encode())
    assert otx(["predict", "xnli", "--model", "runs/r/heads/xnli-1"]) == 0
    assert capfd.readouterr().out.splitlines() == said


def test_tags_are_as_many_as_words_and_json_a_line_an_object(
    fitted: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, b"birds fly high\nno\n")
    assert otx(["predict", "pos", "--run", fitted]) == 0
    assert [len(line.split()) for line in capfd.readouterr().out.splitlines()] == [3, 1]
    say(monkeypatch, b"birds fly high\n")
    assert otx(["predict", "pos", "--run", fitted, "--json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert len(json.loads(line)["prediction"]["tags"]) == 3


@pytest.mark.parametrize(
    ("arguments", "text", "code", "message"),
    [
        (["xnli", "--run", "r"], b"one text only\n", 3, "line 1 has 1 texts"),
        (["xnli", "--run", "r"], b"a\tb\n\xff\tb\n", 3, "line 2 is not UTF-8"),
        (["pos", "--run", "r"], b"\n", 3, "line 1 is empty"),
        (["xnli", "--run", "r", "--seed", "4"], b"", 3, "there are seeds 1; fit it"),
        (["xquad", "--run", "r"], b"", 3, "run r has no fine-tuned xquad"),
        (["retrieval", "--run", "r"], b"", 2, "has nothing to predict with"),
        (["xnli", "--model", "runs/r/heads/pos-1"], b"", 2, "has no head for xnli"),
        (["xnli"], b"", 2, "give one of --run and --model"),
    ],
)
def test_what_cannot_be_predicted_is_said(
    fitted: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    text: bytes,
    code: int,
    message: str,
) -> None:
    say(monkeypatch, text)
    assert otx(["predict", *arguments]) == code
    assert message in capfd.readouterr().err


def test_a_fit_changes_the_embeddings_of_its_training_text_only(fitted: str) -> None:
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    name = "roberta.embeddings.word_embeddings.weight"
    before = load_file("runs/r/model/model.safetensors")[name]
    after = load_file("runs/r/heads/xnli-1/model.safetensors")[name]
    tokenizer = AutoTokenizer.from_pretrained("runs/r/model")
    read = {
        token
        for row in Path("data/train-en.tsv").read_text().splitlines()
        for token in tokenizer(*row.split("\t")[:2])["input_ids"]
    }
    moved = {*(after != before).any(1).nonzero().flatten().tolist()}
    assert moved and moved <= read
