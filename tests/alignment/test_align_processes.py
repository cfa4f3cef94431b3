"""Several processes of one run: what each does when another is gone, and once the training has ended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
import torch
from torch import nn

from otx.alignment import align
from otx.errors import Interrupted
from otx.reporter import Silent
from otx.runs.folder import RunFolder
from otx.training.processes import Processes, ProcessGroup, ProcessLost
from otx.training.runtime import StopSignals

Value = TypeVar("Value")
LOST = ProcessLost("process 0 of 2 no longer answers", first_is_lost=True)


class Second(Processes):
    """The second process of a run of two."""

    rank, count = 1, 2

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def from_first(self, value: Value) -> Value:
        return cast("Value", str(self._run.path))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "r", kind="align", settings={})


def follow(run: RunFolder, status: str, patch: pytest.MonkeyPatch) -> None:
    """Follow a first process that is lost after it recorded a status."""

    def lose(training: Any, selector: Any) -> None:
        # Another process writes its own record.
        RunFolder(run.path).update(status=status)
        raise LOST

    patch.setattr(align._Training, "fit", lose)
    patch.setattr(align._Training, "selector", lambda training: None)
    session: Any = SimpleNamespace(settings=SimpleNamespace(encoder=SimpleNamespace(dropout=True)))
    job: Any = SimpleNamespace(steps=3, encoder=SimpleNamespace(module=nn.Identity()))
    align._follow(session, job, Second(run), StopSignals(""))


def test_an_interruption_of_the_first_process_stays_one(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted) as raised:
        follow(run, "interrupted", monkeypatch)
    assert "otx align --resume r --nproc 2" in str(raised.value.remedy)
    assert RunFolder(run.path).record["status"] == "interrupted"
    # Nor does its end make a loss of it, of which this process would speak.
    group = object.__new__(ProcessGroup)
    monkeypatch.setattr(group, "_failure", lambda: LOST)
    assert group.explain(raised.value) is raised.value
    assert group.explain(KeyboardInterrupt()) is LOST


def test_the_loss_of_the_first_process_is_recorded_by_the_second(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ProcessLost, match="run r ended: process 0 of 2 no longer answers"):
        follow(run, "running", monkeypatch)
    record = RunFolder(run.path).record
    assert record["status"] == "failed" and "process 0 of 2" in record["error"]


class Failing:
    """An encoder that cannot be saved whole."""

    def save(self, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        if not (folder.parent / "enough").exists():
            raise OSError(28, "No space left on device")
        (folder / "model.safetensors").write_text("weights")


def test_the_aligned_encoder_is_whole_or_absent(run: RunFolder) -> None:
    encoder: Any = Failing()
    with pytest.raises(OSError, match="No space left on device"):
        align._save_model(encoder, run)
    assert not run.model.exists()
    (run.path / "enough").touch()
    align._save_model(encoder, run)
    assert sorted(path.name for path in run.model.iterdir()) == ["config.json", "model.safetensors"]
    assert not list(run.path.glob(".partial*"))


def test_the_others_may_leave_once_the_training_has_ended(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process needs nobody to save the model."""
    events: list[str] = []

    class First(Processes):
        def release(self) -> None:
            events.append("release")

    class Ended(Exception):
        pass

    def fit(training: Any, selector: Any) -> None:
        events.append("fit")

    def put_back() -> None:
        raise Ended

    run.update(diagnostics={})
    monkeypatch.setattr(align, "_count_gold", lambda *arguments: None)
    monkeypatch.setattr(align._Training, "fit", fit)
    selector = SimpleNamespace(refuse_ceiling=lambda record: None, put_back=put_back)
    monkeypatch.setattr(align._Training, "selector", lambda training: selector)
    settings = SimpleNamespace(
        encoder=SimpleNamespace(dropout=False), align=SimpleNamespace(objective=["sinkhorn"])
    )
    session: Any = SimpleNamespace(settings=settings, reporter=Silent())
    job: Any = SimpleNamespace(encoder=SimpleNamespace(module=nn.Identity()), material=None)
    training = align._Training(
        session=session,
        run=run,
        job=job,
        encoder=job.encoder,
        device=torch.device("cpu"),
        restriction=None,
        steps=1,
        signals=StopSignals(""),
        observers=None,
        differences={},
        processes=First(),
    )
    with pytest.raises(Ended):
        training.train()
    assert events == ["fit", "release"]
