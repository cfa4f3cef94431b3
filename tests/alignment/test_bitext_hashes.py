"""The hashes of a run's bitext are whole, or made anew, or their loss is explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otx.alignment.bitext_hashes import HASHES, recorded_hashes, training_hashes, write_hashes
from otx.cli import run as otx
from otx.data.bitext import read_bitext
from otx.data.overlap import sentence_hashes
from otx.errors import DataError, OTXError
from otx.plugin_host.registry import Registry
from otx.reporter import Silent
from otx.runs.folder import RunFolder

FILE = Path("runs/r") / HASHES


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:150])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


def replace(path: Path) -> None:
    np.save(path, np.arange(3.0))


DAMAGE = [Path.unlink, cut, flip, replace, lambda path: path.write_bytes(b"")]


@pytest.mark.parametrize("damage", DAMAGE)
def test_eval_makes_them_anew_from_the_corpora(
    aligned: None, damage: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    before = FILE.read_bytes()
    damage(FILE)
    assert otx(["eval", "word-retrieval", "--run", "r"]) == 0
    assert FILE.read_bytes() == before
    assert "missing or damaged; computing it again from the corpora" in capfd.readouterr().err


def test_eval_says_what_to_do_where_the_corpora_changed_or_are_gone(
    aligned: None, bitext: str, capfd: pytest.CaptureFixture[str]
) -> None:
    FILE.unlink()
    record = json.loads(Path("runs/r/run.json").read_text())
    for code in ("en", "de"):
        text = Path(f"{bitext}.{code}").read_text()
        Path(f"moved.{code}").write_text(text.replace("a", "o"))
    for corpus, reason in (
        ("moved", "it cannot be computed again: corpus"),
        ("gone/en-de", "needs two files|no file"),
    ):
        prefix = "en:moved.en,de:moved.de" if corpus == "moved" else corpus
        record["settings"]["data"]["corpus"] = [prefix]
        Path("runs/r/run.json").write_text(json.dumps(record))
        assert otx(["eval", "word-retrieval", "--run", "r", "--quiet"]) == 3
        error = capfd.readouterr().err
        assert HASHES in error and "restore the corpora of the run" in error
        assert any(text in error for text in reason.split("|"))


def test_a_resumed_run_has_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    for code in ("de", "en"):
        (tmp_path / f"x.{code}").write_text("".join(f"{code} {n}\n" for n in range(9)))
    train = [read_bitext(tmp_path / "x.de", tmp_path / "x.en", languages=("de", "en"))]
    run = RunFolder.create(tmp_path / "runs", "r", kind="align", settings={})
    expected = sentence_hashes(train)
    assert (write_hashes(run, train) == expected).all()
    for damage in DAMAGE:
        damage(run.path / HASHES)
        assert (training_hashes(run, train) == expected).all()
        assert (np.load(run.path / HASHES) == expected).all()


def test_a_failure_names_the_file_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.create(tmp_path, "r", kind="align", settings={})
    write_hashes(run, [])
    before = (run.path / HASHES).read_bytes()
    # Another process writes the same file at this time.
    foreign = run.path / f".partial-{HASHES}"
    foreign.write_text("half")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OTXError, match=rf"{HASHES} could not be written: No space left on device"):
        write_hashes(run, [])
    assert (run.path / HASHES).read_bytes() == before
    assert foreign.read_text() == "half" and not list(run.path.glob(".partial-[0-9]*"))


def test_a_run_from_before_the_digest_keeps_its_hashes(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "r", kind="align", settings={})
    hashes = np.array([3, 7, 2**63], dtype=np.uint64)
    np.save(run.path / HASHES, hashes)
    assert (training_hashes(run, []) == hashes).all()
    recorded_hashes(run, Registry("otx"), Silent())
    run.update(corpora=[])
    np.save(run.path / HASHES, hashes[::-1])
    with pytest.raises(DataError, match="missing or damaged"):
        recorded_hashes(run, Registry("otx"), Silent())


def test_an_interrupted_run_ends_with_hashes(align: Any) -> None:
    assert align("--steps", "4", "--run", "r", "--set", "checkpoint.every=2") == 0
    record = json.loads(Path("runs/r/run.json").read_text())
    before = FILE.read_bytes()
    FILE.unlink()
    Path("runs/r/run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    assert otx(["align", "--resume", "r", "--quiet"]) == 0
    assert FILE.read_bytes() == before
