"""Fill a machine with cells for a given time: several processes in parallel, none left half done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otx.errors import Interrupted
from otx.files import atomic
from scripts.laboratory.cell import Job
from scripts.laboratory.harvest import replace_texts
from scripts.laboratory.records import FAILED, read_record

POLL_SECONDS = 0.1
"""Time between two looks at the processes."""
GRACE_SECONDS = 15.0
"""Time before the end in which a stopped process can save its run before it is killed."""
LOG_LINES = 30
"""Number of last lines of a log that a failure records."""
STOPPED = Interrupted.exit_code
"""Exit code of a cell that was stopped and can be resumed."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that computes cells.

    Attributes:
        minutes: Time to use.
        workers: Number of parallel cells.
        pace: Factor of the predicted seconds on this machine.
        environment: Environment variables of the processes.
        program: Command of a cell's process; its argument is the job's file.
    """

    minutes: float
    workers: int
    pace: float
    environment: Mapping[str, str]
    program: Sequence[str] = (sys.executable, "-m", "scripts.laboratory.cell")

    @property
    def threads(self) -> int:
        """Number of CPU threads of each process."""
        return max(1, (os.cpu_count() or 1) // self.workers)


@dataclass(slots=True)
class Outcome:
    """The outcome of a call, as names of cells.

    Attributes:
        finished: Finished cells.
        failed: Failed cells.
        stopped: Stopped cells, which can be resumed.
        left: Cells that were not started.
    """

    finished: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    began: float
    resumed: bool


class Runner:
    """Starts, watches and stops the processes of cells.

    A cell is started only if its prediction fits the remaining time. Predictions are seconds on a GPU, multiplied by
    the machine's pace or, once cells have finished, by the mean ratio of their times to their predictions.

    Attributes:
        machine: The machine.
        say: Prints a line.
        finished: Called after each finished cell.
        outcome: The outcome so far.
        interrupted: True after a signal.
    """

    def __init__(
        self, machine: Machine, say: Callable[[str], None], finished: Callable[[Job], None]
    ) -> None:
        """Create the runner.

        Args:
            machine: The machine.
            say: Prints a line.
            finished: Called after each finished cell.
        """
        self.machine, self.say, self.finished = machine, say, finished
        self.outcome = Outcome()
        self.interrupted = False
        self._running: list[_Running] = []
        self._ratios: list[float] = []

    def fill(self, jobs: Sequence[Job]) -> Outcome:
        """Run jobs in order until they are done or the time is over.

        Args:
            jobs: The jobs.

        Returns:
            The outcome.
        """
        began = time.monotonic()
        end = began + 60 * self.machine.minutes
        stop = end - min(GRACE_SECONDS, 6 * self.machine.minutes)
        waiting = list(jobs)
        handlers = {n: signal.signal(n, self._interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self.interrupted and time.monotonic() < stop:
                self._reap()
                self._start(waiting, stop)
                if not self._running:
                    break
                time.sleep(POLL_SECONDS)
        finally:
            # Also after an error here: no process is left running.
            self._stop(min(end, time.monotonic() + GRACE_SECONDS))
            for number, handler in handlers.items():
                signal.signal(number, handler)
        self.outcome.left = [job.name for job in waiting]
        return self.outcome

    def expected(self, job: Job) -> float:
        """Return the expected seconds of a job on this machine.

        Args:
            job: The job.
        """
        ratios = self._ratios or [self.machine.pace]
        return job.predicted * sum(ratios) / len(ratios)

    def _start(self, waiting: list[Job], stop: float) -> None:
        for job in list(waiting):
            if len(self._running) >= self.machine.workers:
                return
            if time.monotonic() + self.expected(job) <= stop:
                waiting.remove(job)
                self._running.append(self._launch(job))

    def _launch(self, job: Job) -> _Running:
        scratch = Path(job.scratch)
        resumed = (scratch / "job.json").exists()
        job.write(scratch / "job.json")
        threads = str(self.machine.threads)
        environment = {
            **os.environ,
            **self.machine.environment,
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
        }
        with (scratch / "log").open("ab") as log:
            process = subprocess.Popen(
                [*self.machine.program, str(scratch / "job.json")],
                cwd=scratch,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.say(f"Started {job.name}, {self.expected(job):.0f} s expected")
        return _Running(job, process, time.monotonic(), resumed)

    def _reap(self) -> None:
        for running in list(self._running):
            code = running.process.poll()
            if code is not None:
                self._running.remove(running)
                self._close(running, code)

    def _close(self, running: _Running, code: int) -> None:
        job, seconds = running.job, time.monotonic() - running.began
        failure = Path(job.output).with_name(f"{job.name}{FAILED}")
        if code == 0 or (code == STOPPED and _has_result(job)):
            failure.unlink(missing_ok=True)
            if code == 0 and not running.resumed and job.predicted > 0:
                self._ratios.append(seconds / job.predicted)
            self.outcome.finished.append(job.name)
            self.say(f"Finished {job.name} in {seconds:.0f} s")
            self.finished(job)
        elif code == STOPPED:
            self.outcome.stopped.append(job.name)
            self.say(f"Stopped {job.name} after {seconds:.0f} s; it resumes from {job.scratch}")
        else:
            log = Path(job.scratch) / "log"
            lines = log.read_text(encoding="utf-8", errors="replace").split("\n")[-LOG_LINES:]
            hidden = {job.scratch: "scratch", job.material: "data", os.getcwd(): "."}
            known = {path: name for path, name in hidden.items() if path}
            record = {"exit_code": code, "log": replace_texts(lines, known)}
            atomic.write(failure, json.dumps(record, indent=1, ensure_ascii=False).encode())
            # The scratch folder stays: the next try does not repeat a finished alignment.
            self.outcome.failed.append(job.name)
            self.say(f"Failed {job.name} with exit code {code}: see {failure}")

    def _stop(self, end: float) -> None:
        """Ask running processes to stop, and kill those that do not. No result is written either way."""
        for running in self._running:
            _signal(running.process, signal.SIGTERM)
        for running in self._running:
            try:
                code = running.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(running.process, signal.SIGKILL)
                running.process.wait()
                code = STOPPED
            # A negative code: the signal itself ended the process, which may have nothing to resume yet.
            self._close(running, STOPPED if code < 0 else code)
        self._running.clear()

    def _interrupt(self, number: int, frame: object) -> None:
        self.interrupted = True


def _has_result(job: Job) -> bool:
    """Return whether a stopped process had already written its result."""
    output = Path(job.output)
    return output.exists() and read_record(output)["key"] == job.key


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
