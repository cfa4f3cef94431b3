"""One measured aim, as ``make bench`` collects it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "OTX_BENCH_RECORD"
"""Environment variable that names the file to which results are added; without it, they are only printed."""


@dataclass(frozen=True)
class Result:
    """One row of the table of all benchmarks.

    Attributes:
        aim: The aim, in a few words.
        measured: The measured value with its unit.
        target: The value that is aimed at.
        met: Whether the aim was met; None where there is no aim.
        peer: What the value is compared with, with its version; empty for none.
        ratio: The value over the peer's, or the peer's over the value, as ``aim`` says.
    """

    aim: str
    measured: str
    target: str = ""
    met: bool | None = None
    peer: str = ""
    ratio: float | None = None


def record(result: Result) -> None:
    """Add a result to the file that the environment names, if it names one.

    Args:
        result: The result.
    """
    if file := os.environ.get(FILE):
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(result)) + "\n")


def read(file: Path) -> list[Result]:
    """Return the results of a file.

    Args:
        file: The file that ``record`` wrote; one that does not exist has no results.
    """
    if not file.exists():
        return []
    return [Result(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
