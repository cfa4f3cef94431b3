"""A suite names several tasks; those of its tasks that have no files are skipped with a notice."""

import json
from pathlib import Path

import pytest

from otx.cli import run as otx
from otx.config.settings import load_settings
from otx.evaluation.open_tasks import expand_suites
from otx.plugin_host.host import host


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["xtreme"], "xnli paws-x pos ner xquad mlqa tydiqa-goldp bucc retrieval"),
        (["paper"], "xnli xquad"),
        (
            ["probes", "retrieval", "xnli"],
            "retrieval word-alignment word-retrieval structure bucc xnli",
        ),
        (["nonesuch"], "nonesuch"),
    ],
)
def test_a_suite_is_its_tasks_in_order(names: list[str], expected: str) -> None:
    assert expand_suites(names, host(load_settings()).registry) == expected.split()


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
        assert f"Skipped {name}: " in err
    assert "Skipped pos: data: no training file in en" in err


def test_damaged_files_in_a_suite_are_a_fault_and_end_nothing(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "data/pos/train-en.tsv").write_bytes(b"dog\tNOUN\nr\xff\tVERB\n")
    assert otx(["eval", "xtreme", "--model", str(tiny_model), "--data", "data"]) == 3
    out, err = capfd.readouterr()
    assert "retrieval" in [line.split()[0] for line in out.splitlines() if line]
    assert "train-en.tsv:2: not UTF-8" in err and "Skipped xnli: " in err


def test_a_task_by_its_own_name_must_have_them(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And what else was named is evaluated, printed and kept."""
    (folder / "data/pos/train-de.tsv").write_text("Hund\tNOUN\n")
    assert otx(["eval", "pos", "retrieval", "--model", str(tiny_model), "--data", "data"]) == 3
    out, err = capfd.readouterr()
    assert err.count("error: ") == 1 and "no training file in en" in err
    assert "retrieval" in [line.split()[0] for line in out.splitlines() if line]
    assert len(list(Path("runs").glob("*/eval/retrieval/de.*.json"))) == 1
    command = ["eval", "paws-x", "xquad", "retrieval", "--model", str(tiny_model), "--json"]
    assert otx([*command, "--data", "data"]) == 3
    out, err = capfd.readouterr()
    assert {unit["task"] for unit in json.loads(out) if not unit["floor"]} == {"retrieval"}
    assert err.count("error: ") == 2


def test_one_faulty_set_does_not_end_the_others(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "gold").mkdir()
    for name, links in {"a": "0-0", "b": "0-7", "c": "1-1", "d": "0-x", "e": "0-1"}.items():
        (folder / f"gold/{name}.gold").write_text(f"{links}\n")
        (folder / f"gold/{name}.src-tgt").write_text("one two ||| eins zwei\n")
    (folder / "gold/f.gold").write_text("0-0\n")
    tasks = ["word-alignment", "word-retrieval"]
    command = ["--quiet", "eval", *tasks, "--model", str(tiny_model), "--data", "gold"]
    assert otx([*command, "--json"]) == 3
    out, err = capfd.readouterr()
    units = [(unit["task"], unit["language"]) for unit in json.loads(out)]
    assert units == [(task, language) for task in tasks for language in "ae"]
    for fault in (
        "b.gold:1: link 0-7",
        "c.gold: no index is 0",
        "d.gold:1: '0-x'",
        "f.src-tgt: no",
    ):
        assert err.count(fault) == 1
    # What was evaluated is kept: asked for by name, it is there, and there is no fault.
    assert otx([*command, "--languages", "e,a"]) == 0


def test_a_set_without_examples_is_a_fault_of_the_data(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "gold").mkdir()
    for name, links, text in (("a", "0-0\n", "one ||| eins\n"), ("b", "", "")):
        (folder / f"gold/{name}.gold").write_text(links)
        (folder / f"gold/{name}.src-tgt").write_text(text)
    tasks = ["word-alignment", "word-retrieval"]
    assert otx(["eval", *tasks, "--model", str(tiny_model), "--data", "gold", "--json"]) == 3
    out, err = capfd.readouterr()
    assert [unit["language"] for unit in json.loads(out)] == ["a", "a"]
    for task in tasks:
        assert f"error: {task} b: the test set has no examples" in err
    assert "bug" not in err


def test_strict_refuses_a_set_with_a_link_out_of_range(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "gold").mkdir()
    for name, last in {"a": "0-0", "b": "0-0 0-7"}.items():
        (folder / f"gold/{name}.gold").write_text("0-0 1-1\n" * 19 + f"{last}\n")
        (folder / f"gold/{name}.src-tgt").write_text("one two ||| eins zwei\n" * 20)
    command = ["eval", "word-alignment", "--model", str(tiny_model), "--data", "gold", "--json"]
    assert otx(command) == 0
    out, err = capfd.readouterr()
    left, right = json.loads(out)
    assert "word-alignment b: 1 gold links in 1 of 20 sentences are out of range" in err
    assert left["metrics"] == right["metrics"]
    assert otx([*command, "--strict"]) == 3
    out, err = capfd.readouterr()
    assert [unit["language"] for unit in json.loads(out)] == ["a"]
    assert "word-alignment b: 1 gold links in 1 of 20" in err and "--strict" in err
    # It is no part of what a result depends on.
    assert json.loads(out)[0]["key"] == left["key"]


def test_a_suite_of_which_nothing_is_there_is_an_error(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    assert otx(["eval", "paper", "--model", str(tiny_model), "--data", "empty"]) == 3
    assert "paper: none of its tasks has its files" in capfd.readouterr().err


def test_quick_sizes_stand_under_what_is_asked_for(tmp_path: Path) -> None:
    """Each task of XTREME that is fine-tuned has its own, all valid, and a flag goes over them."""
    registry = host(load_settings()).registry
    recipe = registry.find("recipe", "quick").path
    settings = load_settings(recipe=recipe, sets=["xnli.lr=1e-5"], start=tmp_path)
    tasks = [registry.find("task", name) for name in expand_suites(["xtreme"], registry)]
    tuned = [entry for entry in tasks if entry.info.kind == "transfer"]
    assert set(settings.options) == {entry.name for entry in tuned}
    for entry in tuned:
        options = entry.read_options(settings)
        assert options.train_limit <= 20_000 and options.test_limit <= 500
    assert registry.find("task", "xnli").read_options(settings).lr == 1e-5


def test_quick_is_one_word(
    folder: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["dogs\tNOUN\nrun\tVERB\n", "cats\tNOUN\nsleep\tVERB\n"]
    (folder / "data/pos/train-en.tsv").write_text("\n".join(words * 20))
    (folder / "data/pos/ud-pud/test-de.tsv").write_text("Hund\tNOUN\n\n" * 600)
    command = ["eval", "pos", "--quick", "--model", str(tiny_model), "--data", "data", "--json"]
    assert otx(command) == 0
    units = json.loads(capfd.readouterr().out)
    assert {unit["count"] for unit in units} == {500}
    assert units[1]["options"]["test_limit"] == 500 and units[1]["options"]["lr"] == 5e-4
