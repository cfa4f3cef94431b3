"""The last error of a run names its last valid checkpoint and how to resume, and is recorded."""

from pathlib import Path

import pytest
from torch import nn

from otx.alignment.last_words import LastWords, resume_remedy
from otx.errors import DataError
from otx.runs.folder import RunFolder
from otx.training import checkpoint
from otx.training.processes import ProcessLost


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "r", kind="align", settings={})


def test_a_lost_process_names_the_last_valid_checkpoint(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    words, lost = LastWords(run, 2), ProcessLost("process 1 of 2 no longer answers", exit_code=3)
    assert "it has no checkpoint yet" in words.with_checkpoint(lost).message
    for step in (1, 2):
        checkpoint.save(run.checkpoints, step, {"encoder": nn.Linear(1, 1)})
    newest = run.checkpoints / "step-00000002"
    (newest / "tensors.safetensors").write_text("damaged")
    words(lost)
    printed = capsys.readouterr().err
    assert printed.startswith("error: run r ended: process 1 of 2 no longer answers; ")
    assert f"its last checkpoint is {run.checkpoints / 'step-00000001'}" in printed
    assert "hint: resume with: otx align --resume r --nproc 2" in printed
    record = RunFolder(run.path).record
    assert record["status"] == "failed" and "step-00000001" in record["error"]
    assert words.with_checkpoint(lost).exit_code == 3


def test_other_errors_stay_as_they_are(run: RunFolder) -> None:
    error = DataError("a file")
    assert LastWords(run, 2).with_checkpoint(error) is error
    assert resume_remedy(run, 1) == "resume with: otx align --resume r"
