"""`otx corpus` on small files, whole."""

import json
from pathlib import Path

import pytest

from otx.cli import run as otx


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sample = Path(__file__).parents[2] / "plugins/otx_corpora/sample"
    for language in ("en", "de"):
        train = (sample / f"train.{language}.txt").read_text().split("\n")[:30]
        tested = (sample / f"heldout.{language}.txt").read_text().split("\n")[:2]
        Path(f"en-de.{language}").write_text("\n".join([*train, *tested, ""]))


def test_stats_say_what_is_tested_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["corpus", "stats", "en-de", "--json", "--against", "retrieval"]) == 0
    (found,) = json.loads(capfd.readouterr().out)
    assert found["pairs"] == 32 and found["sides"][0]["language"] == "de"
    assert found["overlap"] == {"retrieval de": [4, 200]}


def test_stats_read_well_and_pass_over_tasks_without_data(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert otx(["corpus", "stats", "en-de"]) == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["corpus", "en-de"] and lines[2].split() == ["pairs", "32"]
    assert "in retrieval de" in out and "4 of 200 tested sentences !" in out
    (note,) = err.splitlines()
    assert "skipped tasks without data: bucc" in note and "xquad" in note


def test_a_task_that_is_asked_for_must_have_its_data(capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["corpus", "stats", "en-de", "--against", "xquad"]) == 3
    assert "xquad" in capfd.readouterr().err


def test_noise_moves_pivots_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["corpus", "noise", "en-de", "--wrong", "0.25", "--output", "out/en-de"]) == 0
    assert "8 of 32 pairs have the en sentence of another pair" in capfd.readouterr().out
    before, after = (
        [Path(f"{p}en-de.{s}").read_text().splitlines() for s in ("de", "en")] for p in ("", "out/")
    )
    assert after[0] == before[0] and sorted(after[1]) == sorted(before[1])
    assert sum(a != b for a, b in zip(*(side[1] for side in (before, after)), strict=True)) == 8
    assert otx(["align", "--corpus", "out/en-de", "--dry-run", "--quiet"]) == 0


def test_noise_never_overwrites(capfd: pytest.CaptureFixture[str]) -> None:
    Path("mine.en").write_text("mine\n")
    assert otx(["corpus", "noise", "en-de", "--output", "mine"]) == 2
    assert "mine.en already exists" in capfd.readouterr().err
    assert Path("mine.en").read_text() == "mine\n" and not Path("mine.de").exists()


def test_noise_takes_one_language_pair(capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["corpus", "noise", "sample", "--output", "x"]) == 3
    assert "has several language pairs" in capfd.readouterr().err


@pytest.mark.parametrize(("bad", "pairs"), [(3, 29), (32, 0)])
def test_stats_describe_whatever_share_is_bad(
    capfd: pytest.CaptureFixture[str], bad: int, pairs: int
) -> None:
    lines = Path("en-de.de").read_text().split("\n")
    Path("en-de.de").write_text("\n".join([""] * bad + lines[bad:]))
    assert otx(["corpus", "stats", "en-de", "--against", "retrieval"]) == 0
    rows = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert rows[1:4] == [
        ["lines", "32"],
        ["pairs", str(pairs)],
        ["refused", str(bad), f"({bad}", "empty)"],
    ]
    assert otx(["align", "--corpus", "en-de", "--dry-run", "--quiet"]) == 3
    error = capfd.readouterr().err
    assert ("3 of 32 pairs cannot be used" if pairs else "no pair can be used: 32 refused") in error


def test_the_encoding_is_asked_for_where_lines_are_not_utf8(
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = Path("en-de.de").read_text()
    Path("en-de.de").write_bytes(text.encode("cp1252", "replace"))
    assert otx(["align", "--corpus", "en-de", "--dry-run", "--quiet"]) == 3
    assert "--set files.encoding=NAME" in capfd.readouterr().err
    more = ["--set", "files.encoding=cp1252"]
    assert otx(["align", "--corpus", "en-de", "--dry-run", "--quiet", *more]) == 0
    assert otx(["corpus", "stats", "en-de", "--set", "files.encoding=klingon"]) == 2
    assert "files.encoding" in capfd.readouterr().err
