"""Measure the search for nearest neighbours against faiss's exact index (IndexFlatIP).

    pip install faiss-cpu
    python -m benchmarks.retrieval --rows 40000 --width 384 --neighbours 4 --threads 2

Random unit vectors on disk, of which each row of one side is a noisy copy of one of the other, are searched by each
contender in a process of its own: by cosine, for the nearest of each row of x among y ("one way"), or of both sides
("both ways", as mining and retrieval do; ours computes each cosine once for that, faiss searches twice). "memory" is
the process's peak of anonymous memory above that before the vectors are opened: pages of files, which the operating
system takes back when it needs room, do not count. "equal" is the share of neighbours that are faiss's. The last line
predicts a million rows a side from the time, which grows with N x M. --queries N searches the first N rows of x only.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.record import Result, record

CONTENDERS = ("otx, one way", "faiss, one way", "otx, both ways", "faiss, both ways")
MILLION = 1_000_000


def write_vectors(folder: Path, rows: int, width: int) -> None:
    """Write unit vectors of both sides as ``x.npy`` and ``y.npy``, in blocks.

    Args:
        folder: An existing folder.
        rows: Vectors per side.
        width: Their dimension.
    """
    random = np.random.default_rng(0)
    x, y = (
        np.lib.format.open_memmap(folder / f"{side}.npy", "w+", np.float32, (rows, width))
        for side in "xy"
    )
    for start in range(0, rows, 65_536):
        block = random.standard_normal((min(65_536, rows - start), width), dtype=np.float32)
        noise = random.standard_normal(block.shape, dtype=np.float32)
        for side, values in ((x, block), (y, block + noise)):
            side[start : start + len(block)] = values / np.linalg.norm(values, axis=1)[:, None]


class AnonymousMemory(threading.Thread):
    """Looks at the process's anonymous memory every 20 ms.

    Attributes:
        before: Bytes at the beginning.
        peak: Largest number of bytes seen.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.peak = self._now()

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            self.peak = max(self.peak, self._now())
            time.sleep(0.02)

    @staticmethod
    def _now() -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return 1024 * int(line.split()[1])
        return 0


def search_child(name: str, folder: str, count: int, queries: int, threads: int) -> None:
    """Search in this process and print seconds and peak memory; the neighbours are saved in the folder.

    Args:
        name: Name of the contender.
        folder: Folder of the vectors.
        count: Number of neighbours.
        queries: Rows of x to search for; 0 means all.
        threads: Number of threads.
    """
    torch.set_num_threads(threads)
    search: Callable[[np.ndarray, np.ndarray], list[Any]] = _faiss if "faiss" in name else _otx
    search(np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32), 1, True, threads)  # type: ignore[call-arg]
    memory = AnonymousMemory()
    memory.start()
    x, y = (np.load(Path(folder, f"{side}.npy"), mmap_mode="c") for side in "xy")
    x = x[: queries or len(x)]
    began = time.perf_counter()
    places = search(x, y, count, "both" in name, threads)  # type: ignore[call-arg]
    seconds = time.perf_counter() - began
    np.save(Path(folder, f"{name}.npy"), places[0])
    print(json.dumps({"seconds": seconds, "memory": memory.peak - memory.before}))


def _otx(x: Any, y: Any, count: int, both: bool, threads: int) -> list[Any]:
    from otx.links.neighbours import mutual_neighbours, neighbours

    sides = torch.from_numpy(np.asarray(x)), torch.from_numpy(np.asarray(y))
    found = mutual_neighbours(*sides, count) if both else [neighbours(*sides, count)]
    return [one.places.numpy() for one in found]


def _faiss(x: Any, y: Any, count: int, both: bool, threads: int) -> list[Any]:
    import faiss

    faiss.omp_set_num_threads(threads)
    places = []
    for queries, candidates in [(x, y), (y, x)][: 1 + both]:
        index = faiss.IndexFlatIP(candidates.shape[1])
        index.add(np.asarray(candidates))
        places.append(index.search(np.asarray(queries), count)[1])
    return places


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        name, folder, *numbers = sys.argv[2:]
        return search_child(name, folder, *map(int, numbers))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--queries", type=int, default=0)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--neighbours", type=int, default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="", help="contenders whose name has this text")
    given = parser.parse_args()
    print(f"{platform.machine()}, {given.threads} threads, torch {torch.__version__}")
    rows = given.queries or given.rows
    print(f"{rows:,} x {given.rows:,} x {given.width}, {given.neighbours} neighbours")
    print(f"{'':18} {'s':>8} {'GFLOP/s':>8} {'x faiss':>8} {'memory MB':>10} {'equal':>8}")
    with tempfile.TemporaryDirectory() as folder:
        write_vectors(Path(folder), given.rows, given.width)
        results: dict[str, dict[str, float]] = {}
        for name in CONTENDERS:
            if given.only not in name:
                continue
            if "faiss" in name and not find_spec("faiss"):
                print(f"{name}: skipped, faiss-cpu is not installed")
                continue
            numbers = map(str, (given.neighbours, given.queries, given.threads))
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.retrieval", "--child", name, folder, *numbers],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            results[name] = json.loads(done.stdout.splitlines()[-1])
        for name, result in results.items():
            peer = name.replace("otx", "faiss")
            ratio, equal = "", ""
            if name != peer and peer in results:
                ratio = f"{results[peer]['seconds'] / result['seconds']:.2f}"
                places = (np.load(Path(folder, f"{one}.npy")) for one in (name, peer))
                equal = f"{np.equal(*places).mean():.3%}"
            speed = 2 * rows * given.rows * given.width / result["seconds"] / 1e9
            print(
                f"{name:18} {result['seconds']:8.1f} {speed:8.0f} {ratio:>8} "
                f"{result['memory'] / 1e6:10.0f} {equal:>8}"
            )
            if ratio:
                record(
                    Result(
                        f"nearest neighbours, {name}, {rows:,} x {given.rows:,} x {given.width}",
                        f"{result['seconds']:.1f} s, {result['memory'] / 1e6:.0f} MB, equal {equal}",
                        peer=f"{peer}, {results[peer]['memory'] / 1e6:.0f} MB",
                        ratio=float(ratio),
                    )
                )
    for name, result in results.items():
        seconds = result["seconds"] * MILLION**2 / (rows * given.rows)
        print(f"{name}: a million rows a side would take {seconds / 60:.0f} minutes")


if __name__ == "__main__":
    main()
