"""Compare the CPU throughput of the whole alignment step of ``mini`` with two peers, in turns.

    python -m benchmarks.align_cpu [--pairs 1000] [--turns 6] [--threads 2]

All align the same pairs in float32 with as many updates: otx with its default objective and batches;
sentence-transformers' trainer with MultipleNegativesRankingLoss at its defaults; and a loop of transformers and POT.
sentence-transformers is left out if it is not installed. The pairs are real (../shared/data), or else those of the
sample corpus.

Each contestant computes a few updates in turn, so that a busy machine slows all alike. Then otx trains another epoch
alone, without waiting for others between its turns, and around each turn the machine's rate is measured with a large
matrix product. The share of that rate counts useful sub-words only: the products of the layers' maps and of attention,
forward once and backward twice as much, for both sides, and one forward pass of the frozen encoder for the English
side. Padding, embeddings, norms, the objective and the optimiser count nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import torch

from benchmarks.peers.setting import setting
from benchmarks.real_pairs import SOURCES, write_pairs
from benchmarks.record import Result, record
from benchmarks.turns import Contestant, matrix_rate

MODEL = Path(__file__).parents[1] / "plugins/otx_encoders/mini"
PEERS = "benchmarks.peers"
EPSILON = "0.1"
"""Regularisation of the plain loop: the default of ``sinkhorn``."""

AIMS = {"sentence-transformers": 1.6, "transformers + POT": 5.0}
"""The aims: how many times as fast as each peer an alignment is."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument(
        "--turns", type=int, default=6, help="turns that are counted, after one that is not"
    )
    parser.add_argument("--peer-updates", type=int, default=1, help="updates of a turn of a peer")
    parser.add_argument(
        "--sources", nargs="+", default=SOURCES, help="folders of ../shared/data/bitext"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--objective", default="sinkhorn")
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    given = parser.parse_args()
    # The contestants end with this process, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    torch.set_num_threads(given.threads)
    for name, value in setting("cpu").items():
        print(f"{name}: {value}")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        prefix = str(write_pairs(given.pairs, Path(folder), given.sources))
        ours = [prefix, given.objective, str(given.batch_tokens), str(given.turns)]
        otx = stack.enter_context(Contestant(f"{PEERS}.otx_align", ours, Path(folder)))
        size = str(round(otx.ready["pairs"] / otx.ready["updates_of_epoch"]))
        contestants = {"otx": otx}
        common = [str(MODEL), prefix, size, str(given.peer_updates)]
        if not given.alone and importlib.util.find_spec("sentence_transformers"):
            contestants["sentence-transformers"] = stack.enter_context(
                Contestant(f"{PEERS}.sentence_transformers_trainer", common, Path(folder))
            )
        if not given.alone:
            plain = Contestant(f"{PEERS}.plain_pot_alignment", [*common, EPSILON], Path(folder))
            contestants["transformers + POT"] = stack.enter_context(plain)
        sums = take_turns(contestants, given.turns)
        alone = take_turns({"otx": otx}, given.turns - 1)["otx"]
    show(sums, alone, otx.ready, int(size))


def take_turns(contestants: Mapping[str, Contestant], turns: int) -> dict[str, dict[str, float]]:
    """Let all compute in turns, and return the sums of their numbers.

    Args:
        contestants: The programs by name.
        turns: Turns that are counted; one more before them is not.

    Returns:
        For each name its numbers, and ``rate``: the machine's rate around its turns.
    """
    sums: dict[str, dict[str, float]] = {name: {} for name in contestants}
    for turn in range(turns + 1):
        for name, contestant in contestants.items():
            before = matrix_rate()
            numbers = contestant.turn()
            rate = numbers["pairs"] / numbers["seconds"]
            print(f"turn {turn} of {turns}: {name} {rate:.1f} pairs/s", file=sys.stderr)
            if turn == 0:
                continue
            rates = {"rate": (before + matrix_rate()) / 2, "turns": 1}
            for key, value in (numbers | rates).items():
                sums[name][key] = sums[name].get(key, 0) + value
    return sums


def show(
    sums: Mapping[str, Mapping[str, float]],
    alone: Mapping[str, float],
    ready: Mapping[str, float],
    size: int,
) -> None:
    """Print the table.

    Args:
        sums: What ``take_turns`` returned.
        alone: The numbers of otx in its turns alone.
        ready: What otx says of its batches.
        size: Pairs in an update of the peers.
    """
    rates = {name: own["pairs"] / own["seconds"] for name, own in sums.items()}
    print(
        f"pairs: {ready['pairs']:.0f}, {ready['subwords']:.1f} sub-words a side on average; "
        f"{size} pairs an update"
    )
    print(f"{'':24}{'pairs/s':>10}{'s/update':>10}{'otx is faster by':>18}")
    for name, own in sums.items():
        ratio = "" if name == "otx" else f"{rates['otx'] / rates[name]:.2f}"
        print(f"{name:24}{rates[name]:10.1f}{own['seconds'] / own['updates']:10.2f}{ratio:>18}")
    machine = alone["rate"] / alone["turns"]
    useful = alone["operations"] / alone["seconds"]
    print(f"matrix rate of the machine: {machine / 1e9:.0f} GFLOP/s in float32")
    print(
        f"useful operations of otx: {useful / 1e9:.0f} GFLOP/s, {useful / machine:.0%} of that rate"
    )
    padding, waiting = 1 - alone["real"] / alone["computed"], alone["waited"] / alone["seconds"]
    print(
        f"padding: {padding:.1%} of the sub-words that are computed; to each batch's longest text it would be "
        f"{ready['padding']:.1%}"
    )
    print(f"waiting for data: {waiting:.1%} of the time")
    share = useful / machine
    record(Result("useful share of the matrix rate, `mini`", f"{share:.0%}", "70%", share >= 0.7))
    record(Result("padding of what is computed", f"{padding:.1%}", "3%", padding < 0.03))
    record(Result("waiting for data in a step", f"{waiting:.1%}", "1%", waiting < 0.01))
    for name, aim in AIMS.items():
        if name in rates:
            times = rates["otx"] / rates[name]
            aim_text, pace = f"{aim} times", f"{rates['otx']:.1f} pairs/s"
            record(Result("alignment of `mini`", pace, aim_text, times >= aim, name, times))


if __name__ == "__main__":
    main()
