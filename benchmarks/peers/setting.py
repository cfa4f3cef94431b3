"""Machine and versions of a benchmark run."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]


def setting(device: str) -> dict[str, str]:
    """Describe a benchmark run.

    Args:
        device: Torch device.

    Returns:
        Date, machine, device, threads, dtype, versions and commit.
    """
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "torch threads": str(torch.get_num_threads()),
        "dtype": "float32 vectors and costs",
        "versions": ", ".join(f"{name} {version(name)}" for name in ("torch", "POT", "geomloss")),
        "otx": _commit(),
    }


def _processor() -> str:
    """Return the processor's name as Linux gives it, elsewhere as Python does."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, with changes"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "of no known commit"
