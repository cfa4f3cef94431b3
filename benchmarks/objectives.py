"""Compare every objective and two controls on `mini` with the same real pairs: their cost and their effect.

    python -m benchmarks.objectives align ../shared/data runs/objectives [NAME ...]   # hours; resumable
    python -m benchmarks.objectives time ../shared/data runs/objectives [NAME ...]    # on a quiet machine
    python -m benchmarks.objectives table ../shared/data runs/objectives > table.md

A name may have a weight, `10*sinkhorn`, relative to the 0.1*keep-close that is added.

Each objective is aligned at three learning rates, with otx's defaults otherwise. The rate is chosen by retrieval on
one half of the held-out pairs; the reported numbers are from the other half and from gold word links. The controls are
`mlm`, the same text without its pairing, and `wrong pairs`, sinkhorn with each sentence paired with another's
translation.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.alignment import text
from benchmarks.alignment.measured import measure
from benchmarks.alignment.shown import shown, slug
from otx.config.settings import load_settings
from otx.plugin_host.host import host

PAIRS = 5000
"""Pairs of each language."""
RATES = (1e-3, 3e-3, 1e-2)
"""Learning rates to try."""
WRONG = "wrong pairs"
"""The control in which no pair is a translation."""
OTX = [sys.executable, "-c", "import sys; from otx.cli import main; sys.exit(main())"]


def systems() -> list[str]:
    """Return every registered objective and the control ``WRONG``."""
    return [entry.name for entry in host(load_settings()).registry.entries("objective")] + [WRONG]


def settings_of(name: str, folder: Path) -> dict[str, Any]:
    """Return the settings of one system without the learning rate.

    Args:
        name: An objective, with an optional weight, or ``WRONG``.
        folder: Working folder with the bitext.
    """
    kind = "wrong-" if name == WRONG else ""
    return {
        "align.objective": ["sinkhorn" if name == WRONG else name],
        "data.corpus": [str(text.prefix(folder / "bitext", kind, code)) for code in text.LANGUAGES],
        "runtime.dtype": "bf16",
        "data.heldout": 0,
        "data.sampling": "equal",
    }


def align(name: str, rate: float, folder: Path, data: Path) -> None:
    """Align one system at one rate and keep its measurements.

    Existing measurements are not repeated.

    Args:
        name: An objective, with an optional weight, or ``WRONG``.
        rate: Learning rate.
        folder: Working folder.
        data: Folder of real data.
    """
    run = f"{slug(name)}-{rate:g}"
    kept = folder / "measured" / f"{run}.json"
    if kept.exists():
        return
    settings = settings_of(name, folder) | {"optimizer.lr": rate}
    sets = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    sets += [f"runs.folder={folder / 'runs'}", "checkpoint.keep=1"]
    flags = [part for item in sets for part in ("--set", item)]
    shutil.rmtree(folder / "runs" / run, ignore_errors=True)
    done = subprocess.run(
        [*OTX, "align", "--run", run, *flags], capture_output=True, text=True, check=False
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    if done.returncode:
        numbers: dict[str, Any] = {"failed": done.stderr.strip().splitlines()[-2:]}
    else:
        numbers = dict(measure(str(folder / "runs" / run / "model"), folder / "bitext", data))
    kept.write_text(json.dumps({"name": name, "rate": rate} | numbers))
    shutil.rmtree(folder / "runs" / run / "checkpoints", ignore_errors=True)
    print(run, numbers.get("select", numbers), flush=True)


def take_time(name: str, folder: Path, steps: int) -> None:
    """Time the steps of one system in a separate process and keep the numbers.

    Args:
        name: An objective, with an optional weight, or ``WRONG``.
        folder: Working folder.
        steps: Number of steps to time.
    """
    command = [sys.executable, "-m", "benchmarks.alignment.step", str(steps)]
    done = subprocess.run(
        [*command, json.dumps(settings_of(name, folder))], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        print(f"{name} could not be timed", file=sys.stderr)
        return
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    numbers = json.loads(done.stdout) | {"name": name, "threads": threads}
    kept = folder / "timed" / f"{slug(name)}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(numbers))
    print(name, numbers, flush=True)


def main() -> None:
    """Parse the command line and run the requested part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("align", "time", "table"))
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--steps", type=int, default=16, help="steps that are timed")
    args = parser.parse_args()
    text.write(args.data, args.folder / "bitext", PAIRS)
    names = args.names or systems()
    if args.part == "align":
        untouched = args.folder / "untouched.json"
        if not untouched.exists():
            numbers = measure("mini", args.folder / "bitext", args.data)
            untouched.write_text(json.dumps(numbers))
        for name in names:
            for rate in RATES:
                align(name, rate, args.folder, args.data)
    elif args.part == "time":
        for name in names:
            take_time(name, args.folder, args.steps)
    else:
        print(shown(args.folder, systems(), RATES))


if __name__ == "__main__":
    main()
