"""Time the start of the command line, compared with the libraries that it needs.

    python benchmarks/startup.py [--runs 20]

Each line: the shortest and the median of the runs, in seconds, and the ratio of the medians to the peer's,
`python -c "import typer, rich, pluggy"`. The commands run in turns, so that a busy phase affects all of them.
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

OTX = [sys.executable, "-c", "from otx.cli import main; main()"]
PEER = "import typer, rich, pluggy"
COMMANDS = {
    PEER: [sys.executable, "-c", PEER],
    "otx --help": [*OTX, "--help"],
    "otx list objectives": [*OTX, "list", "objectives"],
}
# As when installed: modules are compiled once, not at every start.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
AIMS = {"otx --help": 0.25, "otx list objectives": 0.35}


def seconds(command: list[str], folder: str) -> float:
    """Return the wall time of one process.

    Args:
        command: The command.
        folder: Working folder.
    """
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20, help="runs of each command")
    runs = parser.parse_args().runs
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS.values():
            seconds(command, folder)  # the first run reads from disk and compiles
        for _ in range(runs):
            for name, command in COMMANDS.items():
                spent[name].append(seconds(command, folder))
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}, {runs} runs"
    )
    peer = statistics.median(spent[PEER])
    print(f"{'min':>6} {'median':>7} {'ratio':>6}  aim")
    for name, times in spent.items():
        median = statistics.median(times)
        aim = f"{AIMS[name]:.2f}" if name in AIMS else "   -"
        print(f"{min(times):6.3f} {median:7.3f} {median / peer:6.2f}  {aim}  {name}")


if __name__ == "__main__":
    main()
