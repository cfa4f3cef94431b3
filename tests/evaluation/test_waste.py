"""How often a command does what takes seconds for a vocabulary of 250,000: load, list, parse and hash."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import transformers

from otx.cli import context
from otx.cli import run as otx
from otx.data import tokenizer_rules
from otx.evaluation.predict import LINES_AT_ONCE
from otx_encoders import model_io
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_tasks.classification import nli_files, xnli

LONG = 10_000
"""Characters of a JSON text that only a tokenizer's is longer than."""


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often an encoder is opened, its weights are hashed, its tokenizer is loaded, listed, parsed or copied."""
    found: Counter[str] = Counter()

    def spy(owner: Any, name: str, what: str) -> None:
        real = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            found[what] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    def copied(self: Any, memo: Any) -> Any:
        found["copied"] += 1
        return self

    def loads(text: str) -> Any:
        found["parsed"] += len(text) > LONG
        return json.loads(text)

    backend = transformers.PreTrainedTokenizerFast
    spy(HuggingFaceEncoder, "__init__", "opened")
    spy(transformers.AutoTokenizer, "from_pretrained", "loaded")
    spy(backend, "get_vocab", "listed")
    monkeypatch.setattr(backend, "__deepcopy__", copied, raising=False)
    spy(model_io, "model_digest", "hashed")
    monkeypatch.setattr(tokenizer_rules, "_known", {})
    monkeypatch.setattr(tokenizer_rules, "json", SimpleNamespace(loads=loads, dumps=json.dumps))
    yield found


def once(encoders: int, hashed: int, parsed: int = 1) -> dict[str, int]:
    """The counts of a command that opens so many encoders."""
    opened = dict.fromkeys(("opened", "loaded", "listed"), encoders)
    return {k: v for k, v in (opened | {"hashed": hashed, "parsed": parsed}).items() if v}


def test_align_opens_one_encoder_and_hashes_it_before_and_after(
    align: Any, counts: Counter[str]
) -> None:
    assert align("--steps", "2", "--run", "r") == 0
    assert counts == once(1, hashed=2)


def test_a_teacher_that_is_the_encoder_as_it_was_is_not_hashed_again(
    align: Any, counts: Counter[str]
) -> None:
    assert align("--steps", "2", "--run", "r", "--objective", "distill") == 0
    record = json.loads(Path("runs/r/run.json").read_text())
    assert record["options"]["teacher"]["digest"] == record["model_digest_before"]
    assert counts == once(1, hashed=2)


def test_a_dry_run_hashes_nothing(align: Any, counts: Counter[str]) -> None:
    assert align("--dry-run") == 0
    assert counts == once(1, hashed=0)


def test_eval_of_a_run_opens_and_hashes_both_encoders_once(
    align: Any, counts: Counter[str]
) -> None:
    assert align("--steps", "2", "--run", "r") == 0
    counts.clear()
    tokenizer_rules._known.clear()
    assert otx(["eval", "retrieval", "word-retrieval", "--languages", "de", "--quiet"]) == 0
    assert counts == once(2, hashed=2)


def test_eval_of_an_untouched_encoder_opens_and_hashes_it_once(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: Counter[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["eval", "retrieval", "--languages", "de", "--quiet", "--model", str(tiny_model)]
    assert otx(command) == 0
    assert counts == once(1, hashed=1)


def test_fitting_heads_and_predicting_copy_no_tokenizer(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counts: Counter[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pos").mkdir()
    for split, word in (("train", "dogs"), ("test", "cats")):
        Path(f"pos/{split}-en.tsv").write_text(f"{word}\tNOUN\nrun\tVERB\n\n" * 20)
    command = ["eval", "pos", "--model", str(tiny_model), "--data", "pos", "--seeds", "1,2"]
    assert otx([*command, "--languages", "en", "--quiet", "--set", "pos.epochs=1"]) == 0
    assert counts == once(1, hashed=1)
    (run,) = Path("runs").iterdir()
    counts.clear()
    tokenizer_rules._known.clear()
    lines = b"birds fly\n" * (LINES_AT_ONCE + 1)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert otx(["predict", "pos", "--run", run.name]) == 0
    assert counts == once(1, hashed=0)


def test_link_and_plan_open_each_encoder_once(
    tiny_model: Path,
    bitext: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counts: Counter[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert otx(["link", bitext, "--model", str(tiny_model), "--output", "links", "--quiet"]) == 0
    assert counts == once(1, hashed=1)
    counts.clear()
    assert otx(["plan", "a dog", "ein Hund", "--model", str(tiny_model), "--quiet"]) == 0
    assert counts == once(1, hashed=0, parsed=0)


def test_eval_loads_settings_once_and_reads_each_file_once(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with --quick, with a suite, and with the leak check, which reads training and test files."""
    monkeypatch.chdir(tmp_path)
    labels = ("entailment", "neutral", "contradiction")
    Path("data").mkdir()
    for name in ("train-en", "test-en", "test-de"):
        lines = [
            f"{name} {i // 3} is\tso it is {labels[i % 3]}\t{labels[i % 3]}" for i in range(90)
        ]
        Path(f"data/{name}.tsv").write_text("\n".join(lines) + "\n")
    read: Counter[str] = Counter()
    loaded: list[Any] = []
    made: list[Any] = []

    lines_of = nli_files.read_lines

    def counted_read(path: Path) -> list[str]:
        read[path.name] += 1
        return lines_of(path)

    def spy(owner: Any, name: str, calls: list[Any]) -> None:
        real = getattr(owner, name)

        def wrapper(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, wrapper)

    monkeypatch.setattr(nli_files, "read_lines", counted_read)
    spy(context, "load_settings", loaded)
    spy(xnli.XnliTask, "__init__", made)
    command = ["eval", "paper", "--quick", "--model", str(tiny_model), "--data", "data", "--quiet"]
    assert otx([*command, "--set", "xnli.epochs=0.1", "--set", "eval.checks=1"]) == 0
    assert read == {"train-en.tsv": 1, "test-en.tsv": 1, "test-de.tsv": 1}
    assert len(loaded) == 1 and len(made) == 1
