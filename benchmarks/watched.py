"""Run a process and watch its memory and its messages. Reads /proc, so it works on Linux only."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.01
"""Seconds between two readings of a process's memory."""
MEBIBYTE = 1024
"""Kilobytes of /proc per MiB."""


@dataclass(slots=True)
class Watched:
    """What a process did.

    Attributes:
        seconds: Wall time from its start to its end.
        anonymous: Peak of its anonymous memory in MiB, read every ``INTERVAL``: what it has written and no file has.
        mapped: Peak of the pages of files that it had mapped, in MiB: programs, libraries, corpora and caches.
        resident: Peak of both together in MiB, as the kernel recorded it.
        messages: Each line of its stderr, and the seconds from the start at which it came.
    """

    seconds: float = 0.0
    anonymous: float = 0.0
    mapped: float = 0.0
    resident: float = 0.0
    messages: list[tuple[float, str]] = field(default_factory=list)

    def reached(self, start: str) -> float:
        """Return the seconds from the start to the first message that begins with a text.

        Args:
            start: The text.

        Raises:
            ValueError: If there was none.
        """
        for seconds, text in self.messages:
            if text.startswith(start):
                return seconds
        raise ValueError(f"the process never printed {start!r}: {self.messages[-3:]}")


def watch(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Watched:
    """Run a command to its end.

    Args:
        command: The command.
        folder: Its working folder.
        environment: All of its environment; None for that of this process.

    Returns:
        What it did.

    Raises:
        RuntimeError: If it fails, with its last messages.
    """
    watched = Watched()
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=None if environment is None else dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:

        def listen() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                watched.messages.append((time.perf_counter() - began, line.rstrip()))

        listener = threading.Thread(target=listen)
        listener.start()
        while process.poll() is None:
            _read(process.pid, watched)
            time.sleep(INTERVAL)
        listener.join()
    watched.seconds = time.perf_counter() - began
    if process.returncode:
        last = "\n".join(text for _, text in watched.messages[-5:])
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{last}")
    return watched


def _read(pid: int, watched: Watched) -> None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return
    fields = dict(line.split(":", 1) for line in status.splitlines())
    if "VmHWM" not in fields:
        return  # it has just ended

    def mebibytes(name: str) -> float:
        return int(fields[name].split()[0]) / MEBIBYTE

    watched.anonymous = max(watched.anonymous, mebibytes("RssAnon") + mebibytes("RssShmem"))
    watched.mapped = max(watched.mapped, mebibytes("RssFile"))
    watched.resident = max(watched.resident, mebibytes("VmHWM"))
