"""Time the start of the command line with plugins installed, compared with the libraries that it needs.

    python -m benchmarks.startup [--runs 20] [--plugins 20]

Each line: the shortest and the median of the runs, in seconds, and the ratio of the medians to the peer's,
`python -c "import typer, rich, pluggy"`. The commands run in turns, so that a busy phase affects all of them. The
plugins are distributions of their own in a scratch folder on the path, each with a task and an objective. Half of them
register their options by target, as docs/plugins.md recommends for a package; the other half register the class itself.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import Result, record

OTX = [sys.executable, "-c", "from otx.cli import main; main()"]
PEER = "import typer, rich, pluggy"
COMMANDS = {
    PEER: [sys.executable, "-c", PEER],
    "otx --help": [*OTX, "--help"],
    "otx list objectives": [*OTX, "list", "objectives"],
    "otx list tasks": [*OTX, "list", "tasks"],
}
AIMS = {"otx --help": 1.8, "otx list tasks": 2.5}
"""Largest ratios to the peer."""

OPTIONS = """
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    \"""Options.

    Attributes:
        scale: Factor of the cost.
    \"""

    scale: float = 1.0
"""

REGISTRATION = """
from otx import hookimpl
from otx.types import Metric, TaskInfo


@hookimpl
def otx_register(registry):
    registry.objective("{name}", "{name}.code:Objective", "an objective of a plugin", {options})
    info = TaskInfo(
        name="{name}-task",
        version="1",
        kind="probe",
        metrics=(Metric("accuracy", lambda sums: sums["hit"]),),
        licence="MIT",
    )
    registry.task("{name}-task", "{name}.code:Task", "a task of a plugin", {options}, info=info)
"""


def write_plugins(folder: Path, count: int) -> None:
    """Write distributions as an installer leaves them.

    Args:
        folder: A folder for the path.
        count: Number of distributions, each with one plugin.
    """
    for number in range(count):
        name = f"bench_plugin_{number}"
        package = folder / name
        package.mkdir()
        if number % 2:
            code, options = OPTIONS + REGISTRATION, "Options"
        else:
            code, options = REGISTRATION, f'"{name}.options:Options"'
            (package / "options.py").write_text(OPTIONS)
        code = code.replace("{name}", name).replace("{options}", options)
        (package / "__init__.py").write_text(code)
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: otx\n"
        )
        (info / "entry_points.txt").write_text(f"[otx]\n{name} = {name}\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
        (info / "INSTALLER").write_text("pip\n")


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Return the wall time of one process.

    Args:
        command: The command.
        folder: Working folder.
        environment: Environment of the process.
    """
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    spent = time.perf_counter() - began
    if done.returncode or done.stderr:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20, help="runs of each command")
    parser.add_argument("--plugins", type=int, default=20, help="plugins besides otx's own")
    arguments = parser.parse_args()
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as scratch:
        site, folder = Path(scratch) / "site", Path(scratch) / "work"
        site.mkdir()
        folder.mkdir()
        write_plugins(site, arguments.plugins)
        # As when installed: modules are compiled once, not at every start.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        path = [str(site), *filter(None, [environment.get("PYTHONPATH")])]
        environment |= {
            "PYTHONPATH": os.pathsep.join(path),
            "OTX_CACHE": str(Path(scratch) / "cache"),
        }
        for command in COMMANDS.values():
            seconds(command, folder, environment)  # the first run reads from disk and compiles
        for _ in range(arguments.runs):
            for name, command in COMMANDS.items():
                spent[name].append(seconds(command, folder, environment))
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}, "
        f"{arguments.runs} runs, {arguments.plugins} plugins"
    )
    peer = statistics.median(spent[PEER])
    print(f"{'min':>6} {'median':>7} {'ratio':>6}  aim")
    for name, times in spent.items():
        median = statistics.median(times)
        aim = f"{AIMS[name]:.1f}" if name in AIMS else "  -"
        print(f"{min(times):6.3f} {median:7.3f} {median / peer:6.2f}  {aim}  {name}")
        if name in AIMS:
            ratio, target = median / peer, f"{AIMS[name]} times"
            label = f"start of `{name}` with {arguments.plugins} plugins"
            record(
                Result(label, f"{median:.2f} s", target, ratio <= AIMS[name], f"`{PEER}`", ratio)
            )


if __name__ == "__main__":
    main()
