"""Resuming a run: what was edited is refused, and what bit-equality depends on is restored, refused or recorded."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from otx.alignment.run_record import settings_digest
from otx.alignment.trainable import TrainableAlignment
from otx.cli import run as otx
from otx.config.settings import Settings
from tests.alignments import align_with

STEPS = 4


@pytest.fixture(scope="module")
def stopped_once(tiny_model: Path, bitext: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was stopped after its first step, made once; tests work on copies."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stop_in_first_step(patch)
        assert align_with(bitext, str(tiny_model), "--steps", str(STEPS), "--run", "r") == 5
    return folder


@pytest.fixture
def stopped(
    stopped_once: Path, tmp_path: Path, align: Any, capfd: pytest.CaptureFixture[str]
) -> Path:
    """Copy the stopped run into the folder of ``align``; returns the run's folder."""
    shutil.copytree(stopped_once, tmp_path, dirs_exist_ok=True)
    capfd.readouterr()
    return Path("runs/r")


def stop_in_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, stops = TrainableAlignment.loss, [1]

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        if stops:
            os.kill(os.getpid(), signal.SIGTERM)
            stops.pop()
        return loss(self, batch)

    monkeypatch.setattr(TrainableAlignment, "loss", stopping)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        ("optimizer.lr", 1.0),
        ("align.steps", 9),
        ("align.seed", 7),
        ("data.batch_tokens", 64),
        ("optimizer.clip", 9.0),
    ],
)
def test_an_edited_setting_is_refused(
    stopped: Path, dotted: str, value: float, capfd: pytest.CaptureFixture[str]
) -> None:
    table, _, key = dotted.partition(".")
    edit(stopped, lambda record: record["settings"][table].update({key: value}))
    # Another setting is another experiment, however inexact.
    assert otx(["align", "--resume", "r", "--quiet", "--inexact"]) == 3
    error = capfd.readouterr().err
    assert "run r cannot be resumed" in error and "changed" in error
    assert "restore what changed, or start a new run" in error
    assert record_of(stopped)["status"] == "interrupted"


def test_every_setting_counts_but_the_folder_of_the_runs() -> None:
    tables = Settings().as_dict()
    digest = settings_digest(tables)
    for table, values in tables.items():
        for name in values:
            changed = {**tables, table: {**values, name: "another"}}
            assert (settings_digest(changed) == digest) == (table == "runs"), name


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda record: record.update(lr=1.0), "optimizer.lr changed (1.0 then"),
        (lambda record: record.update(steps=9), "the number of steps changed (9 then, 4 now)"),
        (lambda record: record.update(alignment_seed=7), "align.seed changed (7 then, 1 now)"),
        (
            lambda record: record["settings"]["optimizer"].pop("clip"),
            "a setting in run.json changed",
        ),
        (lambda record: record["settings"].update(sinkhorn={"epsilon": 0.1}), "a setting in run"),
    ],
)
def test_an_edited_record_is_refused(
    stopped: Path, change: Any, part: str, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(stopped, change)
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert part in capfd.readouterr().err


def test_a_moved_folder_and_an_older_record_are_no_change(stopped: Path) -> None:
    edit(stopped, lambda record: record.pop("settings_digest"))
    edit(stopped, lambda record: record.pop("device"))
    shutil.move("runs", "other")
    assert otx(["align", "--resume", "r", "--quiet", "--set", "runs.folder=other"]) == 0
    assert "inexact" not in record_of(Path("other/r"))


def test_the_recorded_number_of_threads_is_restored(
    stopped: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(stopped, lambda record: record["versions"].update(threads="2"))
    monkeypatch.setattr("otx.alignment.resume._cores", lambda: 2)
    counts = []
    loss = TrainableAlignment.loss

    def counted(self: TrainableAlignment, batch: Any) -> Any:
        counts.append(torch.get_num_threads())
        return loss(self, batch)

    monkeypatch.setattr(TrainableAlignment, "loss", counted)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert otx(["align", "--resume", "r", "--quiet"]) == 0
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert set(counts) == {2}
    assert "computing with 2 threads instead of 1, as this run began" in capfd.readouterr().err
    assert "inexact" not in record_of(stopped)


OTHERS: dict[str, Any] = {
    "torch": lambda record: record["versions"].update(torch="1.0"),
    "transformers": lambda record: record["versions"].update(transformers="1.0"),
    "numpy": lambda record: record["versions"].update(numpy="1.0"),
    "threads": lambda record: record["versions"].update(threads="999"),
    "the device": lambda record: record.update(device="cuda NVIDIA H100"),
    "the precision": lambda record: record.update(precision="bfloat16"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_cannot_be_restored_is_refused(
    stopped: Path, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(stopped, OTHERS[what])
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    error = capfd.readouterr().err
    assert f"cannot be resumed exactly: {what} changed (" in error and "--inexact" in error
    assert record_of(stopped)["status"] == "interrupted"


def test_an_inexact_resume_is_recorded_and_shown(
    stopped: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(stopped, OTHERS["torch"])
    edit(stopped, OTHERS["the device"])
    assert otx(["align", "--resume", "r", "--inexact", "--quiet"]) == 0
    assert "not exact: resumed at step 1" in capfd.readouterr().out
    record = record_of(stopped)
    assert record["inexact"][0]["step"] == 1
    assert record["inexact"][0]["changed"].keys() == {"torch", "the device"}
    assert record["inexact"][0]["changed"]["torch"] == ["1.0", torch.__version__]
    assert record["versions"]["torch"] == torch.__version__ and record["device"].startswith("cpu")
    assert otx(["show", "r"]) == 0
    assert "torch 1.0, then" in capfd.readouterr().out


def test_a_run_goes_on_on_another_device(stopped: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def began_on_a_gpu(record: dict[str, Any]) -> None:
        record["settings"]["runtime"]["device"] = "cuda"
        record["settings_digest"] = settings_digest(record["settings"])
        record["device"] = "cuda NVIDIA H100"

    edit(stopped, began_on_a_gpu)
    command = ["align", "--resume", "r", "--quiet", "--device", "cpu"]
    assert otx(command) == 2
    assert "--inexact allows another --device" in capfd.readouterr().err
    assert otx([*command, "--inexact"]) == 0
    assert record_of(stopped)["inexact"][0]["changed"].keys() == {"the device"}


def test_an_unknown_status_is_no_record(stopped: Path, capfd: pytest.CaptureFixture[str]) -> None:
    edit(stopped, lambda record: record.update(status="done"))
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert "'status' is 'done'" in capfd.readouterr().err


def test_inexact_is_for_resuming(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert align("--inexact") == 2
    assert "--resume NAME" in capfd.readouterr().err
