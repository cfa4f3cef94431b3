"""Two whole cells: what is kept of them, what is not, and what a stop in the middle leaves."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from otx.errors import Interrupted
from otx.runs.comparison import compare
from scripts.laboratory.harvest import Recorder
from scripts.laboratory.records import read_record, restore_runs
from tests.scripts.laboratory.conftest import start


def record_of(laboratory: Any, name: str) -> dict[str, Any]:
    return read_record(laboratory.study.results / f"{name}.json.gz")


def test_a_cell_keeps_scores_curves_digests_and_no_path_of_this_machine(laboratory: Any) -> None:
    record = record_of(laboratory, "sinkhorn-s1")
    units = {(u["unit"]["task"], u["unit"]["language"]): u for u in record["units"]}
    assert set(units) == {("retrieval", "de"), ("xnli", "en"), ("xnli", "de")}
    assert len(units["xnli", "de"]["examples"]) == 6
    assert record["run"]["guards"]["after"] and len(record["curve"]) == 3
    fit = record["fits"]["xnli"]
    assert [step for step, _ in fit["curve"]] == [1, 2, 3] and fit["development"]
    assert set(record["seconds"]) == {"align", "retrieval", "xnli"}
    assert set(record["files"]) == {
        "nli/xnli/test-en.tsv",
        "nli/xnli/test-de.tsv",
        "nli/english-train/train.tsv",
    }
    assert str(laboratory.folder) not in repr(record)


def test_a_fit_of_three_steps_has_not_left_chance(laboratory: Any) -> None:
    fit = record_of(laboratory, "untouched-s1")["fits"]["xnli"]
    assert fit["floor_value"] == pytest.approx(1 / 3) and fit["left_chance"] is False


def test_the_scores_come_back_as_run_folders(
    laboratory: Any, registry: Any, tmp_path: Path
) -> None:
    records = [record_of(laboratory, name) for name in ("untouched-s1", "sinkhorn-s1")]
    runs = restore_runs(tmp_path, records)
    infos = {entry.name: entry.info for entry in registry.entries("task")}
    comparison = compare(runs, tasks=infos)
    assert set(comparison.systems) == {"untouched", "sinkhorn"}
    for table in comparison.tables:
        for row in table.rows:
            if row.role == "floor":
                continue
            record = next(r for r in records if r["system"] == row.system)
            for column, cell in zip(table.columns, row.cells, strict=True):
                if column.kind == "language":
                    (unit,) = [
                        u["unit"]
                        for u in record["units"]
                        if (u["unit"]["task"], u["unit"]["language"]) == (table.task, column.name)
                        and u["unit"]["floor"] is None
                    ]
                    assert cell is not None
                    assert cell.value == pytest.approx(unit["metrics"][table.metric])


def test_a_stopped_cell_leaves_no_result_and_resumes_to_the_same_numbers(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = laboratory.study.results / "sinkhorn-s1.json.gz"
    unbroken = finished.read_bytes()
    before = read_record(finished)
    finished.unlink()
    job = laboratory.jobs()["sinkhorn-s1"]

    def stop(self: Recorder, label: str, done: int, total: int, fields: Any) -> None:
        if label == "align" and done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "progress", stop)
        with pytest.raises(Interrupted, match="step 2 of 3"):
            start(job)
    assert not list(laboratory.study.results.glob("sinkhorn-s1*"))
    assert list(Path(job.scratch).glob("runs/cell/checkpoints/*"))
    start(job)
    again = read_record(finished)
    assert len(again["curve"]) == 3
    for packed, resumed in zip(before["units"], again["units"], strict=True):
        assert packed["statistics"] == resumed["statistics"]
    finished.write_bytes(unbroken)
