"""Suites are names for several tasks; of a suite, what has no files is passed over and said."""

from pathlib import Path

import pytest

from otx.cli import run as otx
from otx.cli.eval import _named
from otx.config import load_settings
from otx.plugins import host


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["xtreme"], "xnli paws-x pos ner xquad mlqa tydiqa-goldp retrieval"),
        (["paper"], "xnli xquad"),
        (["probes", "retrieval", "xnli"], "retrieval word-alignment xnli"),
        (["nonesuch"], "nonesuch"),
    ],
)
def test_a_suite_is_its_tasks_in_order(names: list[str], expected: str) -> None:
    assert _named(names, host(load_settings()).registry) == expected.split()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    for name, text in {
        "data/retrieval/tatoeba/x.de-en.de": "Hund\nKatze\n",
        "data/retrieval/tatoeba/x.de-en.en": "dog\ncat\n",
        "data/pos/ud-pud/test-de.tsv": "Hund\tNOUN\nschläft\tVERB\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_has_no_files_is_passed_over(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert otx(["eval", "xtreme", "--model", str(tiny_model), "--data", "data"]) == 0
    out, err = capfd.readouterr()
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["retrieval"]
    for name in ("xnli", "paws-x", "pos", "ner", "xquad", "mlqa", "tydiqa-goldp"):
        assert f"passed over {name}: " in err
    assert "pos: data: no English training file".removeprefix("pos: ") in err


def test_a_task_by_its_own_name_must_have_them(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert otx(["eval", "probes", "pos", "--model", str(tiny_model), "--data", "data"]) == 3
    assert "no English training file" in capfd.readouterr().err


def test_a_suite_of_which_nothing_is_there_is_an_error(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    assert otx(["eval", "paper", "--model", str(tiny_model), "--data", "empty"]) == 3
    assert "paper: none of its tasks has its files" in capfd.readouterr().err
