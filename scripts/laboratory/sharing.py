"""Share one GPU between several processes by NVIDIA's Multi-Process Service, if the machine has it.

Without the service, the processes take turns on the GPU instead of computing in parallel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
"""Command that starts and stops the service."""
PATIENCE = 30.0
"""Maximum seconds to wait for the command."""


@contextmanager
def shared_gpu(
    device: str, workers: int, folder: Path, say: Callable[[str], None]
) -> Iterator[Mapping[str, str]]:
    """Run the service for the time of the block.

    Args:
        device: Device that the processes compute on.
        workers: Number of processes; a single one needs no service.
        folder: Folder for the service's files.
        say: Prints a line.

    Yields:
        Environment variables for the processes; none without the service.
    """
    if workers == 1 or not device.startswith("cuda") or shutil.which(CONTROL) is None:
        yield {}
        return
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        "CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipe"),
        "CUDA_MPS_LOG_DIRECTORY": str(folder / "log"),
    }
    for path in variables.values():
        Path(path).mkdir(exist_ok=True)
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
