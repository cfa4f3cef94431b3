"""Records of schema 1: read under the present names of settings, resumed, compared, and refused where edited."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.alignment.trainable import TrainableAlignment
from otx.cli import run as otx
from otx.config.migration import RENAMED
from otx.config.settings import Settings
from otx.errors import DataError
from otx.runs.folder import RunFolder
from otx.runs.grouping import systems_of
from otx.runs.record_migration import first_names, migrate_record, settings_digest
from scripts.laboratory.records import read_record
from tests.alignments import align_with

ROOT = Path(__file__).parents[2]


def as_schema_1(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as the otx of schema 1 would have written it."""
    settings = first_names(record["settings"])
    return {
        **record,
        "schema": 1,
        "settings": settings,
        "settings_digest": settings_digest(settings),
        "origins": first_names(record["origins"]),
    }


def rewrite(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file = folder / "run.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def test_a_released_record_is_read_under_the_present_names() -> None:
    run = RunFolder.open(Path(__file__).parent / "released", "schema-1")
    assert run.record["schema"] == 2
    assert run.record["settings"] == {
        "align": {"objective": ["sinkhorn"], "seed": 1},
        "encoder": {"model": "mini", "vocabulary": "whole"},
    }


def test_every_setting_survives_the_way_there_and_back() -> None:
    tables = json.loads(json.dumps(Settings().as_dict()))
    old = first_names(tables)
    assert set(old) < set(tables) and "lr" in old["align"] and "guard_every" in old["align"]
    record = {"schema": 1, "kind": "align", "settings": old}
    assert migrate_record(record)["settings"] == tables


@given(st.dictionaries(st.sampled_from(sorted(RENAMED)), st.integers()))
def test_first_names_undo_the_renaming(values: dict[str, int]) -> None:
    assert first_names({RENAMED[old]: value for old, value in values.items()}) == values


@pytest.mark.parametrize("schema", [0, 3, 99])
def test_an_unknown_schema_is_refused(tmp_path: Path, schema: int) -> None:
    run = RunFolder.create(tmp_path, "r", kind="align", settings={"align": {"lr": 0.1}})
    rewrite(run.path, lambda record: {**record, "schema": schema})
    with pytest.raises(DataError, match=f"has schema {schema}, and this otx reads 2") as caught:
        RunFolder(run.path)
    assert caught.value.remedy == "use the otx that made the run, or update otx"


def stop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = TrainableAlignment.loss

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    monkeypatch.setattr(TrainableAlignment, "loss", stopping)


@pytest.fixture(scope="module")
def stopped(tiny_model: Path, bitext: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `whole` of three steps, and `r`, the same stopped after its first step, in schema 1."""
    folder = tmp_path_factory.mktemp("stopped")
    flags = [
        "--steps",
        "3",
        "--lr",
        "0.001",
        "--set",
        "checkpoint.every=2",
        "--set",
        "optimizer.clip=0.9",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert align_with(bitext, str(tiny_model), *flags, "--run", "whole") == 0
        stop_at_once(patch)
        assert align_with(bitext, str(tiny_model), *flags, "--run", "r") == 5
    rewrite(folder / "runs" / "r", as_schema_1)
    return folder


@pytest.fixture
def old(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run `r`; its folder."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("runs/r")


def test_an_interrupted_run_of_schema_1_resumes_to_the_same_weights(old: Path) -> None:
    before = json.loads((old / "run.json").read_text())
    assert before["schema"] == 1 and before["status"] == "interrupted"
    assert before["settings"]["align"]["lr"] == 0.001 and "optimizer" not in before["settings"]
    assert before["origins"]["align.clip"] == "--set"
    assert otx(["align", "--resume", "r", "--quiet"]) == 0
    record = json.loads((old / "run.json").read_text())
    assert (record["schema"], record["status"]) == (2, "finished")
    assert record["settings"]["optimizer"]["clip"] == 0.9
    assert record["origins"]["optimizer.clip"] == "--set"
    assert record["settings_digest"] == settings_digest(record["settings"])
    weights = [
        Path("runs", name, "model", "model.safetensors").read_bytes() for name in ("r", "whole")
    ]
    assert weights[0] == weights[1]
    assert RunFolder.open(Path("runs"), "r").metrics()[-1]["step"] == 3


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("lr", 0.01, "optimizer.lr changed"),
        ("clip", 9.0, "a setting in run.json changed"),
        ("batch_tokens", 64, "changed"),
    ],
)
def test_an_edited_record_of_schema_1_is_refused(
    old: Path, key: str, value: float, part: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def edit(record: dict[str, Any]) -> dict[str, Any]:
        record["settings"]["align"][key] = value
        return record

    rewrite(old, edit)
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    error = capfd.readouterr().err
    assert "run r cannot be resumed" in error and part in error
    assert json.loads((old / "run.json").read_text())["status"] == "interrupted"


def test_records_of_both_schemas_are_one_system(tmp_path: Path) -> None:
    """A run that was recorded in the laboratory under schema 1, and the same alignment with another seed today."""
    cell = read_record(ROOT / "docs/results/e5-small/cpu/sinkhorn-1e-4-s1.json.gz")["run"]
    assert cell["schema"] == 1 and "lr" in cell["settings"]["align"]
    today = migrate_record(cell)
    settings = json.loads(json.dumps(Settings().as_dict()))
    for table, values in today["settings"].items():
        settings[table] = settings.get(table, {}) | values
    settings["align"]["seed"] = 2
    records = {
        "old": cell,
        "new": {**today, "settings": settings, "alignment_seed": 2},
        "other": {
            **cell,
            "settings": {**cell["settings"], "align": {**cell["settings"]["align"], "lr": 0.5}},
        },
    }
    runs = {}
    for name, record in records.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({**record, "name": name}))
        runs[name] = RunFolder(tmp_path / name)
    (system,) = systems_of([runs["old"], runs["new"]], None, ())
    assert {run.name for run in system.runs} == {"old", "new"}
    assert len(systems_of([runs["old"], runs["other"]], None, ())) == 2
