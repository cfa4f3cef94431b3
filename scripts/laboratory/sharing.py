"""One GPU for several processes: NVIDIA's Multi-Process Service, where the machine has it.

Without it the processes take turns on the card instead of computing side by side.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
PATIENCE = 30.0


@contextmanager
def shared_gpu(
    device: str, workers: int, folder: Path, say: Callable[[str], None]
) -> Iterator[Mapping[str, str]]:
    """Start the service for the time of the block and yield the environment that its clients need."""
    if workers == 1 or not device.startswith("cuda") or shutil.which(CONTROL) is None:
        yield {}
        return
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        "CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipe"),
        "CUDA_MPS_LOG_DIRECTORY": str(folder / "log"),
    }
    for place in variables.values():
        Path(place).mkdir(exist_ok=True)
    environment = {**os.environ, **variables}
    started = subprocess.run(
        [CONTROL, "-d"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    if started.returncode:
        say(
            f"{CONTROL} did not start (exit code {started.returncode}); cells take turns on the GPU"
        )
        yield {}
        return
    try:
        yield variables
    finally:
        subprocess.run(
            [CONTROL],
            env=environment,
            input=b"quit\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
