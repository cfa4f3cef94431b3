from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from otx.errors import DataError
from scripts.laboratory import archives, command
from scripts.laboratory.archives import collect, write_archive
from scripts.laboratory.records import read_record, write_record
from scripts.laboratory.site import ROOT
from scripts.laboratory.tables import cell_list, table
from tests.scripts.laboratory.conftest import STUDY, write_study


def test_finished_cells_are_not_computed_again(laboratory: Any) -> None:
    assert list(laboratory.jobs()) == ["shuffled-s1", "sinkhorn-s2", "untouched-s2", "shuffled-s2"]


def test_a_cell_that_failed_before_comes_last(laboratory: Any) -> None:
    failure = laboratory.study.results / "shuffled-s1.failed.json"
    failure.write_text('{"log": ["CUDA is out of memory"]}')
    try:
        assert list(laboratory.jobs())[-1] == "shuffled-s1"
    finally:
        failure.unlink()


@pytest.mark.parametrize(
    ("before", "after", "opened"),
    [
        ("lr = 1e-4", "lr = 2e-4", {"untouched-s1", "sinkhorn-s1"}),
        ('["sinkhorn"]}\n\n[systems.shuffled', '["l2"]}\n\n[systems.shuffled', {"sinkhorn-s1"}),
        ("steps = 3", "steps = 4", {"untouched-s1", "sinkhorn-s1"}),
        ("count = 24", "count = 23", {"untouched-s1", "sinkhorn-s1"}),
        ("seconds = 10", "seconds = 99", set()),
        ("seeds = [1, 2]", "seeds = [1]", set()),
    ],
)
def test_an_edited_study_computes_what_changed(
    laboratory: Any, registry: Any, before: str, after: str, opened: set[str]
) -> None:
    assert before in STUDY
    edited = write_study(laboratory.folder, STUDY.replace(before, after, 1), registry)
    assert set(laboratory.jobs(edited)) & {"untouched-s1", "sinkhorn-s1"} == opened


def test_the_table_says_what_is_finished_missing_and_never_left_chance(
    laboratory: Any, registry: Any
) -> None:
    text = table(laboratory.study, registry)
    assert "2 of 6 cells are finished" in text and "- sinkhorn: seeds 1" in text
    assert "### retrieval" in text and "### xnli" in text
    assert "not computed: shuffled-s1, sinkhorn-s2, untouched-s2, shuffled-s2" in text
    assert "sinkhorn 1, head seed 1, never left chance on xnli" in text


def test_a_cell_of_another_encoder_is_left_out_and_named(laboratory: Any, registry: Any) -> None:
    path = laboratory.study.results / "sinkhorn-s1.json.gz"
    content = path.read_bytes()
    record = read_record(path)
    try:
        write_record(path, {**record, "model": {"name": "mini", "digest": "another"}})
        text = table(laboratory.study, registry)
    finally:
        path.write_bytes(content)
    assert "1 of 6 cells are finished" in text
    assert "left out (another encoder or other data than the first cell's): sinkhorn-s1" in text


def test_the_command_computes_a_cell_in_processes_of_their_own(tmp_path: Path) -> None:
    """The script, the process that digests the encoder, and the cell's process, as a user starts them."""
    study = tmp_path / "study.toml"
    study.write_text(
        """
name = "one"
model = "mini"
results = "cells"
systems.untouched.align = false
tasks.retrieval = {task = "retrieval", seconds = 1, languages = ["de"]}
tiers = [{tier = 1, systems = ["untouched"], seeds = [1]}]
"""
    )
    archive = tmp_path / "cells.tar"
    command = ["run", str(study), "--minutes", "4", "--workers", "1", "--archive", str(archive)]
    script = [sys.executable, str(ROOT / "scripts" / "lab.py")]
    done = subprocess.run(
        [*script, *command, "--scratch", str(tmp_path / "scratch")],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = read_record(tmp_path / "cells" / "untouched-s1.json.gz")
    assert [unit["unit"]["language"] for unit in record["units"]] == ["de"]
    with tarfile.open(archive) as saved:
        assert saved.getnames() == ["untouched-s1.json.gz"]
    assert str(tmp_path) not in json.dumps(record)
    assert not list((tmp_path / "scratch" / "cells").glob("*"))


def test_one_finished_cell_of_many_makes_a_table(laboratory: Any, registry: Any) -> None:
    away = laboratory.study.results / "sinkhorn-s1.json.gz"
    content = away.read_bytes()
    away.unlink()
    try:
        text = table(laboratory.study, registry)
    finally:
        away.write_bytes(content)
    assert "1 of 6 cells are finished" in text and "sinkhorn-s1" in text.split("not computed")[1]


def test_an_outdated_cell_is_named_and_not_shown(laboratory: Any, registry: Any) -> None:
    edited = write_study(laboratory.folder, STUDY.replace('["sinkhorn"]}', '["l2"]}', 1), registry)
    text = table(edited, registry)
    assert "outdated (the study was edited): sinkhorn-s1" in text
    assert "| sinkhorn" not in text
    assert "sinkhorn-s1                       16  outdated" in cell_list(edited, registry)


def test_a_study_without_results_has_no_table(study: Any, registry: Any) -> None:
    with pytest.raises(DataError, match="no finished cell"):
        table(study, registry)


def test_an_archive_brings_cells_home(laboratory: Any, registry: Any, tmp_path: Path) -> None:
    files = sorted(laboratory.study.results.glob("*.json.gz"))
    size = write_archive(tmp_path / "cells.tar", files)
    assert size == (tmp_path / "cells.tar").stat().st_size
    home = write_study(tmp_path, STUDY, registry)
    home.results.mkdir()
    (home.results / "sinkhorn-s1.failed.json").write_text("{}")
    assert collect(home, tmp_path / "cells.tar") == ["sinkhorn-s1", "untouched-s1"]
    assert [(p.name, p.read_bytes()) for p in sorted(home.results.iterdir())] == [
        (p.name, p.read_bytes()) for p in files
    ]


def test_an_archive_with_anything_else_is_refused(study: Any, tmp_path: Path) -> None:
    (tmp_path / "stranger.json.gz").write_bytes(b"")
    with tarfile.open(tmp_path / "cells.tar", "w") as archive:
        archive.add(tmp_path / "stranger.json.gz", "stranger.json.gz")
    with pytest.raises(DataError, match=r"stranger\.json\.gz, no cell"):
        collect(study, tmp_path / "cells.tar")


def test_run_draws_computes_and_says_what_is_left(
    study: Any, data: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import json, shutil, sys\n"
        "job = json.load(open(sys.argv[1]))\n"
        "if job['name'] == 'sinkhorn-s1': sys.exit('no such layer')\n"
        "open(job['output'], 'w').write(job['key'])\n"
        "shutil.rmtree(job['scratch'])\n"
    )
    machine = command.Machine
    monkeypatch.setattr(
        command, "Machine", lambda *given: machine(*given, (sys.executable, str(program)))
    )
    monkeypatch.setattr(command, "model_digest", lambda model, path: "digest")
    study.results.mkdir()
    arguments = ["run", str(tmp_path / "tiny.toml"), "--minutes", "1", "--workers", "2"]
    places = ["--data", str(data), "--scratch", str(tmp_path / "scratch")]
    code = command.main([*arguments, *places, "--archive", str(tmp_path / "cells.tar")])
    printed = capsys.readouterr().out
    assert code == 1
    assert "failed: 1 (sinkhorn-s1)" in printed and "finished: 5" in printed
    with tarfile.open(tmp_path / "cells.tar") as archive:
        assert len(archive.getnames()) == 6 and "sinkhorn-s1.failed.json" in archive.getnames()


def test_an_archive_that_would_be_too_large_keeps_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json.gz").write_bytes(b"x" * 15_000)
    monkeypatch.setattr(archives, "LARGEST", 25_000)
    path = tmp_path / "cells.tar"
    command._save(path, [tmp_path / "a.json.gz"])
    command._save(path, [tmp_path / "a.json.gz", tmp_path / "b.json.gz"])
    with tarfile.open(path) as saved:
        assert saved.getnames() == ["a.json.gz"]
    assert "above 16" in capsys.readouterr().out
