"""`otx align --nproc 2`: one run of two processes, and what becomes of it when one of them is lost or stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from otx.cli import run as otx
from otx.cli.processes import starts_processes
from otx.errors import UsageError
from tests.alignment.test_resume import stop_in_first_step

FOREVER = 100_000
MINUTE = 60.0


class Running:
    """A command in several processes, which is killed at the end of the test."""

    def __init__(self, arguments: list[str]) -> None:
        self.main = subprocess.Popen(
            [sys.executable, "-m", "otx", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pid(self, rank: int) -> int:
        """Return the process of a rank."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == self.main.pid and f"RANK={rank}".encode() in variables:
                return int(folder.name)
        raise AssertionError(f"no process of rank {rank}")

    def end(self, limit: float = MINUTE) -> tuple[int, str, str, float]:
        """Wait for the end; returns the exit code, both streams and the seconds."""
        began = time.monotonic()
        out, err = self.main.communicate(timeout=limit)
        return self.main.returncode, out, err, time.monotonic() - began


@pytest.fixture
def start(align: Any, tiny_model: Path, bitext: str) -> Iterator[Any]:
    """Return a function that starts `otx align --nproc 2` on the tiny encoder."""
    started: list[Running] = []

    def begin(*arguments: str, fresh: bool = True) -> Running:
        model = ["--model", str(tiny_model), "--corpus", bitext, "--batch-tokens", "300"]
        running = Running(
            ["align", "--nproc", "2", "--quiet", *(model if fresh else []), *arguments]
        )
        started.append(running)
        return running

    yield begin
    for running in started:
        if running.main.poll() is None:
            running.main.terminate()
            running.main.wait(MINUTE)


def wait_for_step(step: int, running: Running) -> None:
    file = Path("runs/r/metrics.jsonl")
    end = time.monotonic() + 2 * MINUTE
    while not file.exists() or file.read_text().count("\n") < step:
        assert running.main.poll() is None, running.main.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)


def record() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(Path("runs/r/run.json").read_text())
    return read


def rows(run: str) -> list[dict[str, float]]:
    lines = Path(f"runs/{run}/metrics.jsonl").read_text().splitlines()
    return [
        {name: number for name, number in json.loads(line).items() if name != "seconds"}
        for line in lines
    ]


def weights(run: str) -> dict[str, Any]:
    return load_file(f"runs/{run}/model/model.safetensors")


LASTING = ("--steps", str(FOREVER), "--run", "r", "--set", "checkpoint.every=5")
SHORT = ("--steps", "8", "--set", "checkpoint.every=4", "--set", "encoder.dropout=false")


def test_two_processes_are_the_run_of_one(start: Any, align: Any) -> None:
    code, out, err, _ = start(*SHORT, "--run", "r").end()
    assert code == 0, err
    assert out.count("Saved to runs/r") == 1 and record()["processes"] == 2
    assert align(*SHORT, "--run", "one") == 0
    for one, two in zip(rows("one"), rows("r"), strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-4)
    expected = weights("one")
    for name, weight in weights("r").items():
        # AdamW enlarges rounding where a gradient is 0, as of a key's bias: by 1/8 of the 8 steps' length.
        assert (weight - expected[name]).abs().max() < 1e-3, name


def stop_at(step: int, running: Running) -> None:
    wait_for_step(step, running)
    running.main.send_signal(signal.SIGTERM)


def test_a_signal_stops_all_processes_after_a_step_and_another_number_resumes(
    start: Any, align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = ("--steps", "60", "--set", "encoder.dropout=false", "--run", "r")
    running = start(*steps)
    stop_at(3, running)
    code, _, err, _ = running.end()
    assert code == 5, err
    assert err.count("interrupted at step") == 1 and "otx align --resume r --nproc 2" in err
    reached = len(rows("r"))
    assert record()["status"] == "interrupted" and 3 <= reached < 60
    assert otx(["align", "--resume", "r", "--quiet"]) == 0
    assert "resuming with 1 processes instead of 2" in capfd.readouterr().err
    entry = record()["inexact"][0]
    assert entry["step"] == reached and entry["changed"]["the number of processes"] == ["2", "1"]
    assert align(*steps[:-1], "one") == 0
    for one, two in zip(rows("one"), rows("r"), strict=True):
        assert [one[name] for name in ("step", "pairs", "tokens")] == [
            two[name] for name in ("step", "pairs", "tokens")
        ]
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-2)


def test_a_run_of_one_process_is_resumed_by_two(
    start: Any, align: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_in_first_step(patch)
        assert align(*SHORT, "--run", "r") == 5
    assert len(rows("r")) == 1
    code, _, err, _ = start("--resume", "r", fresh=False).end()
    assert code == 0 and "resuming with 2 processes instead of 1" in err
    assert align(*SHORT, "--run", "one") == 0
    for one, two in zip(rows("one"), rows("r"), strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-4)


SHARDED = ("--set", "runtime.shard=true", "--run", "r")


def test_a_run_of_sharded_encoders_is_the_run_of_one_process(start: Any, align: Any) -> None:
    measured = ("--set", "diagnostics.every=3")
    code, out, err, _ = start(*SHORT, *measured, *SHARDED).end()
    assert code == 0, err
    assert out.count("Saved to runs/r") == 1
    assert align(*SHORT, *measured, "--run", "one") == 0
    for one, two in zip(rows("one"), rows("r"), strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-4)
    assert any("guards.retrieval" in row for row in rows("r"))
    expected = weights("one")
    for name, weight in weights("r").items():
        assert (weight - expected[name]).abs().max() < 1e-3, name


def test_a_run_of_sharded_encoders_is_resumed_whole_and_sharded(start: Any, align: Any) -> None:
    steps = ("--steps", "40", "--set", "encoder.dropout=false", "--set", "checkpoint.every=50")
    running = start(*steps, *SHARDED)
    stop_at(3, running)
    assert running.end()[0] == 5
    # Saved sharded, read by one process; saved by one process, read sharded.
    running = start("--resume", "r", fresh=False)
    stop_at(12, running)
    code, _, err, _ = running.end()
    assert code == 5, err
    assert otx(["align", "--resume", "r", "--quiet"]) == 0
    assert align(*steps, "--run", "one") == 0
    for one, two in zip(rows("one"), rows("r"), strict=True):
        assert [one[name] for name in ("step", "pairs", "tokens")] == [
            two[name] for name in ("step", "pairs", "tokens")
        ]
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-2)


def test_what_reads_whole_parameters_is_not_sharded(start: Any) -> None:
    kind = ("--set", "keep-close.kind=parameters")
    code, _, err, _ = start(*SHORT, *SHARDED, *kind).end()
    assert code == 2 and err.count("error: ") == 1, err
    assert "view parameters reads whole parameters" in err and "runtime.shard = false" in err


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_hung_process_ends_the_run_within_a_minute(
    start: Any, how: signal.Signals, rank: int
) -> None:
    running = start(*LASTING)
    wait_for_step(12, running)
    os.kill(running.pid(rank), how)
    code, _, err, seconds = running.end()
    assert code == 1 and seconds < MINUTE, err
    assert f"error: run r ended: process {rank} of 2 no longer answers" in err
    assert "its last checkpoint is runs/r/checkpoints/step-000" in err
    assert "hint: resume with: otx align --resume r --nproc 2" in err
    if how == signal.SIGKILL or rank == 1:
        assert record()["status"] == "failed" and "no longer answers" in record()["error"]


def test_a_killed_process_ends_a_run_of_sharded_encoders(start: Any) -> None:
    running = start(*LASTING, "--set", "runtime.shard=true")
    wait_for_step(12, running)
    os.kill(running.pid(1), signal.SIGKILL)
    code, _, err, seconds = running.end()
    assert code == 1 and seconds < MINUTE, err
    assert "error: run r ended: process 1 of 2 no longer answers" in err
    assert "its last checkpoint is runs/r/checkpoints/step-000" in err


def test_an_error_of_one_process_is_told_by_the_first(start: Any, tmp_path: Path) -> None:
    plugin = tmp_path / "fails.py"
    plugin.write_text(FAILS)
    running = start("--plugin", str(plugin), "--objective", "fails", "--run", "r", "--steps", "9")
    code, _, err, seconds = running.end()
    assert code == 4 and seconds < MINUTE, err
    assert err.count("error: ") == 1 and "process 1 of 2" in err and "only here" in err


FAILS = '''
import os
from torch import nn
from otx import hookimpl
from otx.types import Loss
from otx.views import States

class Fails(nn.Module):
    """An objective that fails in the second process alone."""
    views, scope, calls = {States()}, "mean", 0
    def __init__(self, options, dimension):
        super().__init__()
    def forward(self, pair):
        self.calls += 1
        if os.environ.get("RANK") == "1" and self.calls == 3:
            raise ValueError("only here")
        gap = pair.source.sentences() - pair.pivot.sentences()
        return Loss(gap.square().mean(), count=len(pair))

@hookimpl
def otx_register(registry):
    registry.objective("fails", f"{__name__}:Fails", "fails in one process")
'''


def test_a_refused_run_is_refused_once(start: Any) -> None:
    code, _, err, _ = start("--run", "r", "--steps", "2", "--objective", "sinkhorm").end()
    assert code == 2 and err.count("error: ") == 1, err


def test_processes_are_not_started_from_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not starts_processes(None) and not starts_processes(1) and starts_processes(2)
    with pytest.raises(UsageError, match="give 1 or more"):
        starts_processes(0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun"):
        starts_processes(2)
