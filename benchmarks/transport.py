"""Compare our entropic transport with POT, GeomLoss and a plain loop on words of real sentence pairs.

    python benchmarks/transport.py [--quick] [--device cuda] [--json FILE]

Timed from vectors to values, cosine costs included. All peers reach one L1 error of the returned plans' marginals:
each gets the loosest threshold that reaches it, searched before anything is timed. Times are medians; the runs of all
peers alternate, so that other load on the machine affects them all. "x ours" is a peer's time over ours. "of the bound"
is our time, forward and with backward, over the least that it could take here: products for the costs, one read of the
costs, two products per iteration, in float32, at rates measured at the start. A Newton step counts as one iteration
there, though it does more.

The aim: for 1 and 16 problems at epsilon .05, at most ``EMD_AIM`` times the time of a loop of POT's exact simplex.
``--quick`` measures that, in a minute.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from ot import __version__ as pot_version
from rich.console import Console

from benchmarks.peers.answers import Peer
from benchmarks.peers.libraries import (
    EMD,
    GEOMLOSS,
    GEOMLOSS_HELD,
    POT_BATCH,
    POT_KERNEL,
    POT_LOOP,
)
from benchmarks.peers.match_accuracy import answer, tune
from benchmarks.peers.measure import Clock, Rates
from benchmarks.peers.ours import OTX
from benchmarks.peers.plain import PLAIN
from benchmarks.peers.problems import LONGEST, SIZE, Pair, Problems, equal, ragged, read_pairs
from benchmarks.peers.setting import setting
from benchmarks.peers.table import BACKWARD, FORWARD, Measurement, compared, table
from benchmarks.record import Result, record

ROOT = Path(__file__).parents[1]
TARGET = 1e-4
EMD_AIM, EMD_EPSILON, EMD_BATCHES = 2.0, 0.05, (1, 16)
PEERS = (OTX, PLAIN, POT_LOOP, POT_BATCH, POT_KERNEL, GEOMLOSS, GEOMLOSS_HELD, EMD)
KEYS = {peer.name.lower().replace(" ", "-"): peer for peer in PEERS}


def arguments() -> argparse.Namespace:
    """Parse the command line; ``--quick`` changes the defaults.

    Returns:
        The arguments.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--epsilon", type=float, nargs="+", help="default .02 .05 .1")
    parser.add_argument("--batch", type=int, nargs="*", help="default 1 8 32 128 512")
    parser.add_argument("--grid", type=int, nargs="*", help="default 16 64; 128 takes long")
    parser.add_argument("--peers", nargs="+", choices=KEYS, metavar="PEER", help="default all")
    parser.add_argument("--repeats", type=int, help="samples of each time, default 7")
    parser.add_argument("--patience", type=float, help="seconds for one time, default 30")
    parser.add_argument("--pairs", type=int, help="sentence pairs to read, default 2000")
    parser.add_argument("--longest", type=int, default=LONGEST, help="words that a side may have")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, after each table")
    parser.add_argument("--quick", action="store_true", help="a run of under a minute")
    given = parser.parse_args()
    quick = {
        "epsilon": [0.05],
        "batch": [1, 16],
        "grid": [],
        "peers": ["otx", "pot-batch", "emd-loop"],
        "repeats": 7,
        "patience": 2.0,
        "pairs": 400,
    }
    full = {
        "epsilon": [0.02, 0.05, 0.1],
        "batch": [1, 8, 32, 128, 512],
        "grid": [16, 64],
        "peers": list(KEYS),
        "repeats": 7,
        "patience": 30.0,
        "pairs": 2000,
    }
    for name, value in (quick if given.quick else full).items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    return given


def main() -> None:
    """Measure and print the tables."""
    given = arguments()
    torch.set_num_threads(given.threads)
    where = setting(given.device)
    source, pairs = read_pairs(given.data, given.pairs, given.longest)
    rates = Rates.measured(given.device)
    where |= {
        "data": f"{source}, {len(pairs)} pairs of at most {given.longest} words",
        "rates": f"{rates.bandwidth / 1e9:.1f} GB/s read, {rates.vector / 1e9:.1f} G multiply-adds/s "
        f"with vectors, {rates.matrix / 1e9:.1f} with matrices",
        "aim": f"L1 error of both marginals, worst problem: {TARGET:g}",
    }
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    for name, text in where.items():
        console.print(f"[bold]{name:>13}[/]  {text}", highlight=False)
    peers = [KEYS[name] for name in given.peers]
    for peer in peers:
        console.print(f"{peer.name:>13}  {peer.about}", style="dim", highlight=False)
    done: list[Measurement] = []
    for epsilon in given.epsilon:
        for title, cases in sets(pairs, given):
            measured = []
            for problems in cases:
                with console.status(f"{title}, epsilon {epsilon:g}, {len(problems)} problems"):
                    measured.append(measure(problems, epsilon, peers, given=given, rates=rates))
                done += measured[-1]
            console.print(table(f"{title}, epsilon {epsilon:g}", measured))
            if given.json:
                rows = [asdict(row) for row in done]
                given.json.write_text(json.dumps({"setting": where, "rows": rows}, indent=1))
    for result in emd_aims(done):
        record(result)
        met = "met" if result.met else "missed"
        console.print(f"{result.aim}: {result.ratio:.2f} times, aim {result.target}: {met}")


def emd_aims(rows: list[Measurement]) -> list[Result]:
    """Compare our times with the loop of exact solutions, where that is an aim.

    Args:
        rows: The measurements of all peers.

    Returns:
        One result for each case of the aim that was measured, forward and with backward.
    """
    ours = {(row.problems, row.batch): row for row in rows if row.peer == OTX.name}
    results = []
    for row in rows:
        if (row.peer, row.epsilon) != (EMD.name, EMD_EPSILON) or row.batch not in EMD_BATCHES:
            continue
        for way, name in ((FORWARD, "forward"), (BACKWARD, "with backward")):
            theirs, own = getattr(row, way), getattr(ours.get((row.problems, row.batch)), way, None)
            if theirs and own:
                results.append(
                    Result(
                        f"transport of {row.batch} {row.problems}, {name}, over an `emd` loop",
                        f"{own:.2f} ms",
                        f"{EMD_AIM:g} times",
                        own / theirs <= EMD_AIM,
                        f"POT {pot_version}",
                        own / theirs,
                    )
                )
    return results


def sets(pairs: list[Pair], given: argparse.Namespace) -> Iterator[tuple[str, Iterator[Problems]]]:
    """Yield the tables of the benchmark.

    Args:
        pairs: Word vectors of sentence pairs.
        given: Arguments of the command line.

    Yields:
        The title of every table, and its cases.
    """
    device = given.device
    if given.batch:
        many = (Problems.of("ragged", ragged(pairs, n), device) for n in given.batch)
        yield "Ragged batches", many
        same = (Problems.of("equal", equal(pairs, n), device) for n in given.batch)
        yield f"Batches of {SIZE} x {SIZE} words", same
    if given.grid:
        grids = (Problems.of("grid", ragged(pairs, n), device, grid=True) for n in given.grid)
        yield "Grids of B x B: every sentence with every translation", grids


def measure(
    problems: Problems,
    epsilon: float,
    peers: list[Peer],
    *,
    given: argparse.Namespace,
    rates: Rates,
) -> list[Measurement]:
    """Measure all peers in one case.

    Args:
        problems: The problems of the case.
        epsilon: Regularisation strength.
        peers: The peers to measure.
        given: Arguments of the command line.
        rates: The machine's rates.

    Returns:
        One row per peer.
    """
    rows, clocks = [], []
    for peer in peers:
        row = Measurement(problems.name, epsilon, len(problems.x), peer.name)
        rows.append(row)
        if peer.cpu and given.device != "cpu":
            row.note = "runs on the CPU alone"
            continue
        try:
            knob = _tuned(row, peer, problems, epsilon, given.patience)
        except (RuntimeError, ValueError) as failure:
            row.note = f"failed: {str(failure).splitlines()[0][:40]}"
            continue
        if knob is not None:
            for way, action in _actions(peer, problems, epsilon, knob):
                clocks.append((row, way, Clock(action, given.device, given.patience)))
    for _ in range(given.repeats):
        for _, _, clock in clocks:
            clock.tick()
    for row, way, clock in clocks:
        setattr(row, way, 1e3 * clock.median())
    compared(rows, OTX.name)
    if OTX in peers:
        _bound(rows[peers.index(OTX)], problems, epsilon, rates)
    return rows


def _tuned(
    row: Measurement, peer: Peer, problems: Problems, epsilon: float, patience: float
) -> float | None:
    """Return the knob position to time at, if any, and note the search's result in the row."""
    tuned = tune(peer, problems, epsilon, target=TARGET, patience=patience)
    row.error, row.knob = tuned.error, tuned.knob
    if tuned.knob is None:
        row.note = f"left out: {tuned.seconds:.0f} s a run"
        return None
    if len(peer.positions) > 1:
        row.at = f"{peer.knob} {tuned.knob:.4g}"
    if tuned.seconds is not None:
        row.note = f"too slow: {tuned.seconds:.0f} s at {row.at}"
        return None
    if not tuned.reached:
        row.note = f"not reached at {row.at}"
    return tuned.knob


def _actions(
    peer: Peer, problems: Problems, epsilon: float, knob: float
) -> Iterator[tuple[str, Callable[[], object]]]:
    def backward() -> object:
        x, y = (side.detach().requires_grad_() for side in (problems.x, problems.y))
        return torch.autograd.grad(peer.solve(problems, x, y, epsilon, knob).value, (x, y))

    yield FORWARD, lambda: answer(peer, problems, epsilon, knob)
    yield BACKWARD, backward


def _bound(row: Measurement, problems: Problems, epsilon: float, rates: Rates) -> None:
    if row.forward is None or row.backward is None or row.knob is None:
        return
    iterations = answer(OTX, problems, epsilon, row.knob).iterations
    if iterations is not None:
        row.iterations = float(iterations.double().mean())
        row.over_bound_forward = (
            row.forward / 1e3 / rates.bound(problems, iterations, backward=False)
        )
        row.over_bound_backward = (
            row.backward / 1e3 / rates.bound(problems, iterations, backward=True)
        )


if __name__ == "__main__":
    main()
