"""Programs that compute in turns, each in a process of its own, so that a machine's ups and downs meet all alike.

A program calls ``finished`` after each of its turns, which prints the turn's numbers and sleeps until the next turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

MARK = "TURN "
ROOT = Path(__file__).parents[1]
SIDE = 1536
"""Size of the matrices that measure the machine's rate."""
REPEATS = 4


def finished(numbers: Mapping[str, float]) -> None:
    """End a turn, and wait for the next one.

    Args:
        numbers: The turn's numbers.
    """
    print(MARK + json.dumps(dict(numbers)), flush=True)
    if not sys.stdin.readline():
        sys.exit()


class Contestant:
    """A program that computes in turns, as a process.

    Args:
        module: Its module, run by ``python -m``.
        arguments: Its arguments.
        folder: Its working folder.
    """

    def __init__(self, module: str, arguments: Sequence[str], folder: Path) -> None:
        paths = [str(ROOT), *filter(None, sys.path)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready = self._read()

    def turn(self) -> dict[str, float]:
        """Let the program compute one turn, and return its numbers."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def __enter__(self) -> Self:
        """Return the program."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                numbers: dict[str, float] = json.loads(line.removeprefix(MARK))
                return numbers
        sys.exit(f"{' '.join(map(str, self._process.args))} ended")  # type: ignore[arg-type]


def matrix_rate(device: str = "cpu", dtype: torch.dtype = torch.float32, side: int = SIDE) -> float:
    """Return the rate of a large matrix product, in operations a second.

    Args:
        device: The device.
        dtype: Type of the numbers.
        side: Rows and columns of the square matrices.
    """
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    one @ other
    _wait(device)
    began = time.perf_counter()
    for _ in range(REPEATS):
        one @ other
    _wait(device)
    return REPEATS * 2 * side**3 / (time.perf_counter() - began)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
