"""The service for several processes on one GPU, by a stand-in for its program."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.laboratory.sharing import CONTROL, shared_gpu


@pytest.fixture
def said() -> list[str]:
    return []


def stand_in(folder: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = folder / "calls"
    program = folder / CONTROL
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -d ]; then echo start >> {log}; exit {code}; fi\ncat >> {log}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return log


def test_it_runs_for_the_time_of_the_block(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = stand_in(tmp_path, 0, monkeypatch)
    with shared_gpu("cuda", 4, tmp_path / "mps", said.append) as variables:
        assert Path(variables["CUDA_MPS_PIPE_DIRECTORY"]).is_dir()
        assert log.read_text() == "start\n"
    assert log.read_text() == "start\nquit\n" and not said


def test_where_it_does_not_start_the_cells_run_without_it(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, 1, monkeypatch)
    with shared_gpu("cuda", 4, tmp_path / "mps", said.append) as variables:
        assert not variables
    assert len(said) == 1 and "exit code 1" in said[0]


@pytest.mark.parametrize(("device", "workers"), [("cpu", 4), ("cuda", 1)])
def test_nothing_to_share(
    device: str, workers: int, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = stand_in(tmp_path, 0, monkeypatch)
    with shared_gpu(device, workers, tmp_path / "mps", said.append) as variables:
        assert not variables and not log.exists()
