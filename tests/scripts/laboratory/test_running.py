"""Filling a machine, with cells that are small scripts."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.laboratory.cell import Job
from scripts.laboratory.running import Machine, Outcome, Runner

PROGRAM = """
import json, os, shutil, signal, sys, time
job = json.load(open(sys.argv[1]))
kind = job["name"].split("-")[0]
if kind == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if kind == "polite":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("one line\\nthe reason", flush=True)
open(os.path.join(job["scratch"], "began"), "w").write(os.environ["OMP_NUM_THREADS"])
if kind == "failing":
    sys.exit(3)
if kind != "quick":
    time.sleep(60)
open(job["output"], "w").write(job["name"])
shutil.rmtree(job["scratch"])
"""


@pytest.fixture
def program(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return sys.executable, str(path)


def job(name: str, folder: Path, seconds: float = 0.01) -> Job:
    (folder / "cells").mkdir(exist_ok=True)
    scratch, output = folder / "scratch" / name, folder / "cells" / f"{name}.json.gz"
    model = ("mini", "mini", "digest")
    return Job(name, "s", 1, "key", {}, {}, *model, "", str(scratch), str(output), "cpu", seconds)


def fill(names: list[Job], program: tuple[str, str], seconds: float, workers: int = 2) -> Outcome:
    machine = Machine(seconds / 60, workers, 1.0, {}, program)
    return Runner(machine, lambda text: None, lambda job: None).fill(names)


def test_a_failure_is_recorded_and_does_not_stop_the_others(
    tmp_path: Path, program: tuple[str, str]
) -> None:
    jobs = [job(name, tmp_path) for name in ("failing", "quick-1", "quick-2")]
    outcome = fill(jobs, program, seconds=60, workers=1)
    assert (outcome.finished, outcome.failed) == (["quick-1", "quick-2"], ["failing"])
    failure = json.loads((tmp_path / "cells/failing.failed.json").read_text())
    assert failure["exit_code"] == 3 and failure["log"][:2] == ["one line", "the reason"]
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["failing"]


def test_a_finished_cell_takes_back_its_failure(tmp_path: Path, program: tuple[str, str]) -> None:
    own = job("quick", tmp_path)
    (tmp_path / "cells/quick.failed.json").write_text("{}")
    fill([own], program, seconds=60)
    assert [path.name for path in (tmp_path / "cells").iterdir()] == ["quick.json.gz"]


def test_a_cell_that_does_not_fit_is_not_begun_and_a_smaller_one_takes_its_place(
    tmp_path: Path, program: tuple[str, str]
) -> None:
    jobs = [job("quick-long", tmp_path, seconds=600), job("quick-short", tmp_path)]
    outcome = fill(jobs, program, seconds=60)
    assert (outcome.finished, outcome.left) == (["quick-short"], ["quick-long"])


def test_when_the_time_is_over_all_are_stopped_and_none_is_half_done(
    tmp_path: Path, program: tuple[str, str]
) -> None:
    began = time.monotonic()
    jobs = [job(name, tmp_path) for name in ("slow", "polite", "stubborn")]
    outcome = fill(jobs, program, seconds=4, workers=3)
    assert time.monotonic() - began < 8
    assert sorted(outcome.stopped) == ["polite", "slow", "stubborn"]
    assert not outcome.failed and not list((tmp_path / "cells").iterdir())
    assert (tmp_path / "scratch/slow/began").exists()


def test_predictions_follow_what_finished_cells_took(
    tmp_path: Path, program: tuple[str, str]
) -> None:
    runner = Runner(Machine(1, 1, 3.0, {}, program), lambda text: None, lambda job: None)
    own = job("quick", tmp_path, seconds=10)
    assert runner.expected(own) == 30
    runner.fill([replace(own, predicted=1e-3)])
    assert runner.expected(replace(own, predicted=1e-3)) > 1e-3 * 3


def test_nothing_is_left_running_when_a_result_cannot_be_kept(
    tmp_path: Path, program: tuple[str, str]
) -> None:
    def fail(job: Job) -> None:
        raise OSError("the disk is full")

    runner = Runner(Machine(1.0, 2, 1.0, {}, program), lambda text: None, fail)
    with pytest.raises(OSError, match="disk is full"):
        runner.fill([job("quick", tmp_path), job("slow", tmp_path)])
    assert runner._running == []
