"""`otx link` and `otx eval` in four real processes of which one is killed: all work is done, by one process each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

CHILD = """
import os, sys, time

def note(*words):
    with open("log", "a") as log:
        log.write(" ".join(map(str, (os.getpid(), *words))) + "\\n")

def stop():
    if os.environ.get("VICTIM"):
        note("stopped")
        time.sleep(600)

from otx.alignment import link
from otx.alignment.link_parts import LinkParts
link.PART = 4
hold, write = LinkParts._hold, LinkParts.write

def noting_hold(self, part):
    held = hold(self, part)
    if held:
        note("held", part)
    return held

def noting_write(self, part, *rest):
    stop()
    write(self, part, *rest)
    note("wrote", part)

LinkParts._hold, LinkParts.write = noting_hold, noting_write

from otx.evaluation.unit_store import UnitStore
store = UnitStore.write

def noting_store(self, unit, *rest):
    note("held", unit.key)
    stop()
    unit = store(self, unit, *rest)
    note("wrote", unit.key)
    return unit

UnitStore.write = noting_store
from otx.cli import run
sys.exit(run(sys.argv[1:]))
"""


class Processes:
    """Four processes with the same command line, and what they noted."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder, self.command = folder, [sys.executable, "-c", CHILD, *command]

    def start(self, **environment: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        return subprocess.Popen(self.command, cwd=self.folder, env=environment, **pipes)  # type: ignore[call-overload, no-any-return]

    def notes(self) -> list[list[str]]:
        log = self.folder / "log"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    def wait_until(self, holds: Callable[[list[list[str]]], bool]) -> None:
        ends = time.monotonic() + 120
        while not holds(self.notes()):
            assert time.monotonic() < ends, self.notes()
            time.sleep(0.1)

    def run_and_kill_one(self, others_done: int) -> tuple[str, list[str]]:
        """Kill the first process in the midst of its work when the other three have nothing left but to wait for it.

        Returns:
            The first process's id, and what the others printed.
        """
        victim = self.start(VICTIM="1")
        self.wait_until(lambda notes: any(note[1] == "stopped" for note in notes))
        others = [self.start() for _ in range(3)]
        self.wait_until(lambda notes: sum(note[1] == "wrote" for note in notes) == others_done)
        victim.kill()
        printed = [process.communicate(timeout=120) for process in others]
        victim.communicate()
        assert [process.returncode for process in others] == [0, 0, 0], printed
        return str(victim.pid), [out for out, _ in printed]


def by_verb(notes: list[list[str]], verb: str) -> Counter[str]:
    """Count who did what, by the thing that it was done to."""
    return Counter(note[2] for note in notes if note[1] == verb)


def test_link(tiny_model: Path, bitext: str, tmp_path: Path) -> None:
    command = ["--quiet", "link", bitext, "--model", str(tiny_model), "--output"]
    alone = Processes(tmp_path, [*command, "alone"]).start()
    assert alone.wait() == 0, alone.communicate()
    (tmp_path / "log").unlink()
    shared = Processes(tmp_path, [*command, "shared", "--probabilities", "sure"])
    # Ten parts of four pairs, of which the first process holds two: the next is read ahead.
    victim, _ = shared.run_and_kill_one(others_done=8)
    notes = shared.notes()
    assert {note[2] for note in notes if note[:2] == [victim, "held"]} == {"0", "1"}
    assert by_verb(notes, "wrote") == {str(part): 1 for part in range(10)}
    assert not any(note[:2] == [victim, "wrote"] for note in notes)
    again = {part for part, count in by_verb(notes, "held").items() if count > 1}
    assert again == {"0", "1"}
    assert (tmp_path / "shared").read_bytes() == (tmp_path / "alone").read_bytes()
    assert len((tmp_path / "sure").read_text().splitlines()) == 40
    assert not list(tmp_path.glob(".*"))


def test_eval(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["eval", "retrieval", "--quiet", "--json", "--model", str(tiny_model)]
    elsewhere = tmp_path / "alone"
    elsewhere.mkdir()
    alone = Processes(elsewhere, command).start()
    out, err = alone.communicate(timeout=120)
    assert alone.returncode == 0, err
    expected = {unit["key"]: unit["metrics"] for unit in json.loads(out)}
    assert len(expected) == 5

    shared = Processes(tmp_path, command)
    victim, printed = shared.run_and_kill_one(others_done=4)
    notes = shared.notes()
    (lost,) = {note[2] for note in notes if note[:2] == [victim, "held"]}
    assert by_verb(notes, "wrote") == dict.fromkeys(expected, 1)
    assert by_verb(notes, "held") == {key: 1 + (key == lost) for key in expected}
    for table in printed:
        assert {unit["key"]: unit["metrics"] for unit in json.loads(table)} == expected
