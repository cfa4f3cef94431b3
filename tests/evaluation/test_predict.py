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
from otx.errors import DataError
from otx.evaluation import predict as engine
from otx_tasks.classification.xnli import XnliTask

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
        (["xnli", "--run", "r", "--seed", "4"], b"", 3, "available seeds: 1; fine-tune it"),
        (["xquad", "--run", "r"], b"", 3, "run r has no fine-tuned xquad"),
        (["retrieval", "--run", "r"], b"", 2, "retrieval cannot predict lines"),
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


@pytest.mark.parametrize(
    ("task", "lines", "bad"),
    [
        ("xnli", [b"a\tb", b"one text only", b"\xff\tb", b"", b"c\td", b"a\tb\tc"], {2, 3, 4, 6}),
        ("xnli", [b"one", b"two"], {1, 2}),
        ("xnli", [b"a\tb", b"x" * 2_000 + b"\tb", b"a\tb"], {2}),
        ("pos", [b"birds fly", b"", b"  ", b"birds \xe9"], {2, 3, 4}),
        ("pos", [b"\xef\xbb\xbfbirds fly", b"fish"], set()),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_each_line_has_a_prediction_or_an_error_in_its_place(
    fitted: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    lines: list[bytes],
    bad: set[int],
    end: bytes,
) -> None:
    monkeypatch.setattr(engine, "MAX_LINE", 1_000)
    monkeypatch.setattr(engine, "LINES_AT_ONCE", 4)
    code = 3 if bad else 0
    say(monkeypatch, end.join(lines))
    assert otx(["predict", task, "--run", fitted]) == code
    out, err = capfd.readouterr()
    plain = out.split("\n")
    assert plain.pop() == "" and len(plain) == len(lines)
    assert {number for number, text in enumerate(plain, start=1) if not text} == bad
    for number in bad:
        assert err.count(f"error: line {number} ") == 1
    assert (f"{len(bad)} of {len(lines)} lines have no prediction" in err) == bool(bad)
    say(monkeypatch, end.join(lines))
    assert otx(["predict", task, "--run", fitted, "--json"]) == code
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {number for number, row in enumerate(rows, start=1) if "error" in row} == bad
    assert all(("prediction" in row) != ("error" in row) for row in rows)
    # A line alone has what it has among others.
    for number, line in enumerate(lines, start=1):
        if number not in bad and not line.startswith(b"\xef"):
            say(monkeypatch, line)
            assert otx(["predict", task, "--run", fitted]) == 0
            assert capfd.readouterr().out == plain[number - 1] + "\n"


def test_a_line_that_fails_later_costs_that_line_only(
    fitted: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = XnliTask.features

    def failing(self: XnliTask, encoder: Any, examples: Any) -> Any:
        if any(example.fields["premise"] == "bad" for example in examples):
            raise DataError("this premise is bad")
        return features(self, encoder, examples)

    monkeypatch.setattr(XnliTask, "features", failing)
    say(monkeypatch, b"a\tb\nbad\tb\nc\td\n")
    assert otx(["predict", "xnli", "--run", fitted]) == 3
    out, err = capfd.readouterr()
    assert [bool(line) for line in out.splitlines()] == [True, False, True]
    assert "error: line 2: this premise is bad" in err and "1 of 3 lines have no prediction" in err


@pytest.mark.parametrize(
    ("task", "short", "long"),
    [("pos", "birds", "birds " * 300), ("xnli", "a\tb", "a " * 300 + "\tb")],
)
def test_an_input_that_is_cut_is_noted(
    fitted: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    short: str,
    long: str,
) -> None:
    text = f"{short}\n{long}\n".encode()
    for form in ([], ["--json"]):
        say(monkeypatch, text)
        assert otx(["predict", task, "--run", fitted, *form]) == 0
        out, err = capfd.readouterr()
        assert len(out.splitlines()) == 2
        assert "note: line 2 is too long: " in err and "line 1" not in err
    first, second = map(json.loads, out.splitlines())
    assert "cut" not in first and 100 < second["cut"] < 600


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
