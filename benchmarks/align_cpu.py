"""Compare the CPU throughput of the whole alignment step of ``mini`` with two peers, in turns.

    python -m benchmarks.align_cpu [--pairs 2000] [--turns 6] [--updates 4] [--threads 2]

All align the same pairs in float32 with as many updates: otx with its default objective and batches; sentence-transformers' trainer with
MultipleNegativesRankingLoss at its defaults; and a loop of transformers and POT. Peers that are not installed are left
out. The pairs are real (../shared/data), or else those of the sample corpus.

Each contestant computes a few updates in turn, and between the turns the machine's rate is measured with a large matrix
product, so that a busy machine slows all alike. The share of that rate counts useful sub-words only: the products of
the layers' maps and of attention, forward once and backward twice as much, for both sides, and one forward pass of the
frozen encoder for the English side. Padding, embeddings, norms, the objective and the optimiser count nothing.
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
from benchmarks.real_pairs import write_pairs
from benchmarks.turns import Contestant, matrix_rate

MODEL = Path(__file__).parents[1] / "plugins/otx_encoders/mini"
PEERS = "benchmarks.peers"
EPSILON = "0.1"
"""Regularisation of the plain loop: the default of ``sinkhorn``."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument(
        "--turns", type=int, default=6, help="turns that are counted, after one that is not"
    )
    parser.add_argument("--updates", type=int, default=4, help="updates of a turn")
    parser.add_argument(
        "--plain-updates", type=int, default=1, help="updates of a turn of the plain loop"
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
        prefix = str(write_pairs(given.pairs, Path(folder)))
        updates = str(given.updates)
        ours = [prefix, given.objective, str(given.batch_tokens), updates]
        otx = stack.enter_context(Contestant(f"{PEERS}.otx_align", ours, Path(folder)))
        size = str(round(otx.ready["pairs"] / otx.ready["updates_of_epoch"]))
        contestants = {"otx": otx}
        common = [str(MODEL), prefix, size]
        if not given.alone and importlib.util.find_spec("sentence_transformers"):
            contestants["sentence-transformers"] = stack.enter_context(
                Contestant(
                    f"{PEERS}.sentence_transformers_trainer", [*common, updates], Path(folder)
                )
            )
        if not given.alone:
            plain = [*common, str(given.plain_updates), EPSILON]
            contestants["transformers + POT"] = stack.enter_context(
                Contestant(f"{PEERS}.plain_pot_alignment", plain, Path(folder))
            )
        sums = take_turns(contestants, given.turns)
    show(sums, otx.ready, int(size))


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


def show(sums: Mapping[str, Mapping[str, float]], ready: Mapping[str, float], size: int) -> None:
    """Print the table.

    Args:
        sums: What ``take_turns`` returned.
        ready: What otx says of its batches.
        size: Pairs in an update of the peers.
    """
    ours = sums["otx"]
    rates = {name: own["pairs"] / own["seconds"] for name, own in sums.items()}
    print(
        f"pairs: {ready['pairs']:.0f}, {ready['subwords']:.1f} sub-words a side on average; "
        f"{size} pairs an update"
    )
    print(f"{'':24}{'pairs/s':>10}{'s/update':>10}{'otx is faster by':>18}")
    for name, own in sums.items():
        ratio = "" if name == "otx" else f"{rates['otx'] / rates[name]:.2f}"
        print(f"{name:24}{rates[name]:10.1f}{own['seconds'] / own['updates']:10.2f}{ratio:>18}")
    machine = ours["rate"] / ours["turns"]
    useful = ours["operations"] / ours["seconds"]
    print(f"matrix rate of the machine: {machine / 1e9:.0f} GFLOP/s in float32")
    print(
        f"useful operations of otx: {useful / 1e9:.0f} GFLOP/s, {useful / machine:.0%} of that rate"
    )
    print(f"padding to each batch's longest text: {ready['padding']:.1%} of the sub-words")
    print(f"waiting for data: {ours['waited'] / ours['seconds']:.1%} of the time")


if __name__ == "__main__":
    main()
