"""Measure the savings of training only the vocabulary that occurs.

    python -m benchmarks.vocabulary --model e5-small --corpus DATA/bitext/tatoeba/en-de --steps 6

Runs `otx align` twice in separate processes: with `encoder.vocabulary = whole`, the peer, and with `used`. Each line:
the median seconds of a step without the first two, the process's largest resident memory, the size of a checkpoint, the
seconds to write one, and the ratio to the peer. Nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP = 2
"""Steps whose time is not counted."""
MEASURES = {
    "step s": "step",
    "memory MB": "memory",
    "checkpoint MB": "checkpoint",
    "save s": "save",
}


def measure_child(arguments: list[str]) -> None:
    """Align in this process and print the measurements as JSON on the last line.

    Args:
        arguments: Arguments of ``otx align``.
    """
    from otx.cli import run
    from otx.training import checkpoint

    seconds = []
    save = checkpoint.save

    def timed(*given: Any, **named: Any) -> Path:
        began = time.perf_counter()
        path = save(*given, **named)
        seconds.append(time.perf_counter() - began)
        return path

    checkpoint.save = timed
    code = run(["align", "--quiet", "--run", "measured", *arguments])
    if code:
        sys.exit(code)
    folder = Path("runs/measured")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    newest = sorted((folder / "checkpoints").glob("step-*"))[-1]
    size = sum(path.stat().st_size for path in newest.iterdir())
    results = {
        "step": statistics.median(row["seconds"] for row in rows[WARM_UP:]),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "checkpoint": size / 1e6,
        "save": statistics.median(seconds),
    }
    print(json.dumps(results))


def measured(vocabulary: str, arguments: list[str], steps: int) -> dict[str, float]:
    """Align in a separate process and return its measurements.

    Args:
        vocabulary: The setting ``encoder.vocabulary``.
        arguments: Further arguments of ``otx align``.
        steps: Number of steps.

    Returns:
        Value by measure.
    """
    command = [*arguments, "--steps", str(steps), "--set", f"encoder.vocabulary={vocabulary}"]
    command += ["--set", "data.heldout=0"]  # Diagnostics are the same for both.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--child", *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    results: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return results


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        return measure_child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--corpus", action="append", required=True, help="prefix of two files")
    parser.add_argument("--steps", type=int, default=6)
    given = parser.parse_args()
    corpora = [os.path.abspath(prefix) for prefix in given.corpus]
    arguments = ["--model", given.model, *(part for c in corpora for part in ("--corpus", c))]
    results = {name: measured(name, arguments, given.steps) for name in ("whole", "used")}
    print(f"{'':6}" + "".join(f"{title:>15} {'ratio':>6}" for title in MEASURES))
    for name, numbers in results.items():
        cells = (
            f"{numbers[key]:15.2f} {numbers[key] / results['whole'][key]:6.2f}"
            for key in MEASURES.values()
        )
        print(f"{name:6}" + "".join(cells))


if __name__ == "__main__":
    main()
