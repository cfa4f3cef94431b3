"""Run every benchmark that a CPU can run, and print one table of the aims.

    python -m benchmarks              # everything, as `make bench` does
    python -m benchmarks device_waits # some of them, by name

Each benchmark is a process of its own, and the machine should do nothing else. The table is written into
docs/results/speed.md, between its marks, where all benchmarks were run.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.record import FILE, Result, read

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "speed.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
COMMANDS: dict[str, list[str]] = {
    "solver_calls": ["benchmarks.solver_calls", "--device", "cpu", "--batches", "8", "--pooled"],
    "transport": ["benchmarks.transport", "--quick"],
    "device_waits": ["benchmarks.device_waits"],
    "align_cpu": ["benchmarks.align_cpu"],
    "tokenise": ["benchmarks.tokenise"],
    "link": ["benchmarks.link"],
    "retrieval": ["benchmarks.retrieval"],
    "memory": ["benchmarks.memory", "--pairs", "100000", "1000000"],
    "large_model": ["benchmarks.large_model"],
    "startup": ["benchmarks.startup"],
    "many_processes": ["benchmarks.many_processes"],
}
"""Arguments of ``python -m`` by the benchmark's name, in the order of the aims."""
PACKAGES = (
    "torch",
    "transformers",
    "numpy",
    "POT",
    "sentence-transformers",
    "simalign",
    "awesome-align",
    "faiss-cpu",
)


def run(name: str, folder: Path) -> list[Result]:
    """Run one benchmark, and return its results.

    Args:
        name: Its name in ``COMMANDS``.
        folder: A folder for the results.
    """
    file = folder / f"{name}.jsonl"
    print(f"== {name}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *COMMANDS[name]],
        cwd=ROOT,
        env={**os.environ, FILE: str(file)},
        check=False,
    )
    print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
    results = read(file)
    if done.returncode:
        results.append(Result(name, f"failed with exit code {done.returncode}", met=False))
    return results


def table(results: list[Result]) -> str:
    """Return the table of the results in Markdown.

    Args:
        results: The results.

    Example:
        >>> print(table([Result("help", "1.4 times", "1.8 times", True, "import typer", 1.4)]))
        | aim | measured | aimed at | met | compared with | ratio |
        |---|---|---|---|---|--:|
        | help | 1.4 times | 1.8 times | yes | import typer | 1.40 |
    """
    lines = [
        "| aim | measured | aimed at | met | compared with | ratio |",
        "|---|---|---|---|---|--:|",
    ]
    for one in results:
        met = "" if one.met is None else "yes" if one.met else "**no**"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        cells = [one.aim, one.measured, one.target, met, one.peer, ratio]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine() -> str:
    """Return the processor, its number of cores, and the versions of the packages."""
    import torch

    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{os.cpu_count()} cores ({platform.machine()}, {capability}); {', '.join(versions)}"


def main(names: list[str]) -> None:
    """Run the benchmarks and print the table.

    Args:
        names: Names of benchmarks; none runs all.
    """
    if unknown := set(names) - set(COMMANDS):
        sys.exit(
            f"unknown benchmarks: {', '.join(sorted(unknown))}; there are {', '.join(COMMANDS)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        results = [row for name in names or COMMANDS for row in run(name, Path(folder))]
    text = f"{machine()}.\n\n{table(results)}"
    print(text)
    if not names:
        marked = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(marked.sub(lambda _: f"{BEGIN}\n{text}\n{END}", page), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
