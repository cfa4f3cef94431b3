"""Measure how the memory and the start of ``otx align`` grow with the corpus.

    python -m benchmarks.memory [--pairs 100000 10000000] [--runs 3] [--folder FOLDER]

Writes corpora of different sizes and runs ``otx align`` for two steps on each: once with an empty cache, then
``--runs`` times with what the first run cached. The lines are those of the embedded sample, cut to five words and
followed by three numbers below 100, so that no two pairs are equal and the vocabulary is the same at every size.

The aim counts resident memory. Anonymous memory, which the process has written itself, and pages of mapped files, which
are copies of what is on the disk and which the kernel drops when memory is short, are shown apart.

The start is the time from the start of the process to its first step. The peer is a process that imports otx and loads
the same encoder, ``python -c 'import otx; otx.load_encoder("mini")'``; runs of both alternate.

With ``--folder``, corpora and caches stay there and another call goes on with them. Ten million pairs take about 7 GB
of disk and 15 minutes of one core. Linux only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import otx_corpora
from benchmarks.record import Result, record
from benchmarks.watched import Watched, watch

SAMPLE = Path(otx_corpora.__file__).parent / "sample"
PLUGIN = Path(__file__).parent / "quick_encoder.py"
ROOT = Path(__file__).parents[1]
WORDS, BASE = 5, 100
STEPS = 2
BYTES_PER_PAIR = 700
"""Disk that a pair takes: 80 bytes of text, and the caches, those at work included."""
GROWTH, SECONDS = 0.05, 3.0
"""The aims: growth of the memory, and seconds to the first step beyond loading the model."""

OTX = [sys.executable, "-c", "from otx.cli import main; main()"]
LOADING = [sys.executable, "-c", 'import otx; otx.load_encoder("mini")']


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs on one corpus.

    Attributes:
        pairs: Size of the corpus.
        first: The run that filled the cache; None if the folder had one.
        cached: The other runs.
        loading: Seconds of the runs of the peer between them.
    """

    pairs: int
    first: Watched | None
    cached: list[Watched]
    loading: list[float]

    @property
    def start(self) -> float:
        """Median of the seconds to the first step."""
        return statistics.median(run.reached("Aligning with") for run in self.cached)

    @property
    def beyond(self) -> float:
        """Seconds to the first step beyond loading the model."""
        return self.start - statistics.median(self.loading)


def write_corpus(prefix: Path, pairs: int) -> None:
    """Write ``PREFIX.de`` and ``PREFIX.en``.

    Args:
        prefix: Prefix of the two files.
        pairs: Number of lines.
    """
    for language in ("de", "en"):
        lines = (SAMPLE / f"train.{language}.txt").read_text(encoding="utf-8").splitlines()
        stems = [" ".join(line.split()[:WORDS]) for line in lines]
        with Path(f"{prefix}.{language}").open("w", encoding="utf-8") as file:
            numbered = (
                f"{stem} {round_ // BASE**2} {round_ // BASE % BASE} {round_ % BASE}\n"
                for round_ in range(pairs // len(stems) + 1)
                for stem in stems
            )
            file.writelines(islice(numbered, pairs))


def align(folder: Path, pairs: int) -> Watched:
    """Run ``otx align`` for some steps, and remove the run.

    Args:
        folder: Folder of corpora and caches.
        pairs: Size of the corpus.
    """
    environment = {
        **os.environ,
        "OTX_CACHE": str(folder / f"cache-{pairs}"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
    }
    command = [
        *OTX, "--plugin", str(PLUGIN), "align", "--model", "quick", "--run", "run",
        "--corpus", f"./pairs-{pairs}", "--steps", str(STEPS), "--set", f"runs.folder=runs-{pairs}",
    ]  # fmt: skip
    try:
        return watch(command, folder, environment)
    finally:
        shutil.rmtree(folder / f"runs-{pairs}", ignore_errors=True)


def measure(folder: Path, pairs: int, runs: int) -> Measured:
    """Measure one size.

    Args:
        folder: Folder of corpora and caches.
        pairs: Size of the corpus.
        runs: Number of runs with a full cache.
    """
    prefix, cache = folder / f"pairs-{pairs}", folder / f"cache-{pairs}"
    if not Path(f"{prefix}.en").exists():
        write_corpus(prefix, pairs)
    first = None if cache.exists() else align(folder, pairs)
    if first is not None:
        print(f"# {pairs:,} pairs, empty cache: {first.seconds:.0f} s", file=sys.stderr)
    cached, loading = [], []
    for _ in range(runs):
        cached.append(align(folder, pairs))
        loading.append(watch(LOADING, folder).seconds)
    return Measured(pairs, first, cached, loading)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3, help="runs with a full cache")
    parser.add_argument("--folder", type=Path, help="keep corpora and caches here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        needed = BYTES_PER_PAIR * sum(arguments.pairs)
        if arguments.folder is None and shutil.disk_usage(folder).free < needed:
            sys.exit(f"{folder} needs {needed / 1e9:.0f} GB: give --folder or fewer --pairs")
        show([measure(folder, pairs, arguments.runs) for pairs in sorted(arguments.pairs)])


def show(sizes: list[Measured]) -> None:
    """Print a table, growth and start.

    Args:
        sizes: The sizes, the smallest first.
    """
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, otx align --steps {STEPS}")
    print(
        f"{'pairs':>12} {'cache':>7} {'anonymous':>10} {'mapped':>8} {'resident':>9} {'seconds':>8}"
    )
    for size in sizes:
        rows = [("empty", size.first)] * (size.first is not None)
        rows += [("full", run) for run in size.cached]
        for cache, run in rows:
            print(
                f"{size.pairs:12,} {cache:>7} {run.anonymous:7.0f} MB {run.mapped:5.0f} MB "
                f"{run.resident:6.0f} MB {run.seconds:8.1f}"
            )
    low, high = sizes[0], sizes[-1]
    for name, one, other in (
        ("cache empty", [low.first], [high.first]),
        ("cache full", low.cached, high.cached),
    ):
        for kind in ("resident", "anonymous"):
            peaks = [[getattr(run, kind) for run in runs if run] for runs in (one, other)]
            if all(peaks):
                growth = max(peaks[1]) / max(peaks[0]) - 1
                aim = f"growth of {kind} memory from {low.pairs:,} to {high.pairs:,} pairs, {name}"
                record(Result(aim, f"{growth:+.1%}", f"{GROWTH:.0%}", growth < GROWTH))
                print(f"{aim}: {growth:+.1%} (aim {GROWTH:.0%})")
    for size in sizes:
        loading = statistics.median(size.loading)
        record(
            Result(
                f"first step with {size.pairs:,} cached pairs, beyond loading",
                f"{size.beyond:.1f} s",
                f"{SECONDS:.0f} s",
                size.beyond < SECONDS,
                "otx.load_encoder",
                size.start / loading,
            )
        )
        print(
            f"start with {size.pairs:,} pairs: {size.start:.1f} s to the first step, "
            f"{size.beyond:.1f} s beyond loading the model (aim {SECONDS:.0f} s); "
            f"ratio to the peer {size.start / loading:.2f}"
        )


if __name__ == "__main__":
    main()
