"""Predict how an alignment scales over processes: time of a step, pairs per second, and the cost of many pairs.

    python scripts/simulate_scaling.py --model xlm-roberta-base --processes 1 8 64 512
    python scripts/simulate_scaling.py --model xlm-roberta-large --whole-vocabulary --same-batch
    python scripts/simulate_scaling.py --pairs 1e9 --price 2.5

A step is simulated event by event. The last micro-batch's backward pass finishes one bucket of gradients after the
other, the network sums one bucket at a time, and the optimiser waits for both. All numbers that describe machines are
arguments; their defaults are measured on one H100 or taken from the makers' data sheets, see docs/scaling.md.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

FLOAT = 4
"""Bytes of a gradient, a weight or a moment of AdamW."""
BUCKET = 25 * 2**20
"""Bytes of gradients that DistributedDataParallel sums together."""
MICRO_BATCH = 18_000
"""Sub-words of one side that a process encodes at once: 512 pairs."""
OPTIMISER_TRAFFIC = 7 * FLOAT
"""Bytes that fused AdamW reads and writes for a parameter: weight, gradient and two moments, all but the gradient
twice."""


@dataclass(frozen=True)
class Model:
    """Shape of an encoder.

    Attributes:
        layers: Number of layers.
        width: Width of a hidden state.
        inner: Width of the feed-forward layers.
        vocabulary: Number of sub-words.
        positions: Number of position embeddings.
    """

    layers: int
    width: int
    inner: int
    vocabulary: int
    positions: int = 512

    @property
    def layer(self) -> int:
        """Number of parameters of a layer."""
        attention = 4 * (self.width * self.width + self.width)
        feed_forward = 2 * self.width * self.inner + self.inner + self.width
        return attention + feed_forward + 4 * self.width

    def embeddings(self, rows: int | None = None) -> int:
        """Return the number of parameters of the embeddings.

        Args:
            rows: Number of sub-words that are trained; None for all.
        """
        return ((self.vocabulary if rows is None else rows) + self.positions + 3) * self.width

    def flops(self, tokens: float, length: float) -> float:
        """Return the operations of a forward pass.

        Args:
            tokens: Number of sub-words.
            length: Sub-words of a sentence, which each of them attends to.
        """
        matrices = 4 * self.width * self.width + 2 * self.width * self.inner
        attention = 2 * self.width * length
        return 2.0 * tokens * self.layers * (matrices + attention)


MODELS = {
    "e5-small": Model(12, 384, 1536, 250_037),
    "bert-base-multilingual-cased": Model(12, 768, 3072, 119_547),
    "xlm-roberta-base": Model(12, 768, 3072, 250_002, 514),
    "xlm-roberta-large": Model(24, 1024, 4096, 250_002, 514),
}


@dataclass(frozen=True)
class Machine:
    """Speeds of one process's device and of the network.

    Attributes:
        rate: Operations per second of the training on useful sub-words.
        memory: Bytes per second of the device's memory.
        node: Number of processes in a node.
        inside: Bytes per second that a process sends within its node.
        outside: Bytes per second that a process sends to other nodes.
        latency_inside: Seconds of one message within a node.
        latency_outside: Seconds of one message between nodes.
    """

    rate: float
    memory: float
    node: int
    inside: float
    outside: float
    latency_inside: float
    latency_outside: float

    def all_reduce(self, size: float, processes: int) -> float:
        """Return the seconds in which all processes sum ``size`` bytes.

        Within a node and between nodes it is a ring: ``2 (n - 1) / n`` times the bytes. Over several nodes, a node
        scatters the sum, each process sums its part with its peers in the other nodes, and the node gathers.

        Args:
            size: Bytes of each process.
            processes: Number of processes.

        References:
            Patarasuk and Yuan (2009), "Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations".
            https://doi.org/10.1016/j.jpdc.2008.09.002
        """
        inside = min(processes, self.node)
        nodes = math.ceil(processes / self.node)
        seconds = 0.0
        if inside > 1:
            seconds += 2 * (inside - 1) * (size / inside / self.inside + self.latency_inside)
        if nodes > 1:
            part = size / inside
            # Trees pass a small message in a logarithmic number of hops; NCCL takes the faster of both.
            ring = 2 * (nodes - 1) * (part / nodes / self.outside + self.latency_outside)
            tree = 2 * (part / self.outside + math.log2(nodes) * self.latency_outside)
            seconds += min(ring, tree)
        return seconds

    def all_gather(self, size: float, processes: int) -> float:
        """Return the seconds in which every process receives the ``size`` bytes of each other process.

        Args:
            size: Bytes of each process.
            processes: Number of processes.
        """
        if processes == 1:
            return 0.0
        slow = processes > self.node
        speed = self.outside if slow else self.inside
        latency = self.latency_outside if slow else self.latency_inside
        return (processes - 1) * size / speed + math.log2(processes) * latency


H100 = Machine(
    rate=0.45 * 798e12,
    memory=3.0e12,
    node=8,
    inside=450e9 * 0.8,
    outside=50e9 * 0.8,
    latency_inside=3e-6,
    latency_outside=1e-5,
)
"""An H100 at 45 % of its measured bf16 rate, NVLink (900 GB/s in both directions together) and one network card of
400 Gbit/s for each GPU, both at 80 %."""


@dataclass(frozen=True)
class Work:
    """One optimiser step of the whole run.

    Attributes:
        pairs: Pairs of a step, over all processes.
        micro_batches: Number of micro-batches of a step.
        source: Mean number of sub-words of a source sentence, special tokens included.
        pivot: Mean number of sub-words of a pivot sentence.
        spread: Standard deviation of the sub-words of a pair, over their mean.
        rows: Number of sub-word embeddings that are trained; None for all.
        frozen_pivot: Whether the frozen encoder encodes the pivot side too, for the term ``keep-close``.
        gathered: Whether the objective reads the whole micro-batch, so that hidden states travel.
    """

    pairs: int
    micro_batches: int = 1
    source: float = 35.0
    pivot: float = 35.0
    spread: float = 0.45
    rows: int | None = 30_000
    frozen_pivot: bool = True
    gathered: bool = False


@dataclass(frozen=True)
class Step:
    """The parts of a simulated step, in seconds.

    Attributes:
        compute: Forward and backward passes of the slowest process.
        waiting: Time after them in which the network still works.
        gathering: Time in which hidden states travel.
        optimiser: AdamW.
        sent: Bytes of gradients that a process sends.
    """

    compute: float
    waiting: float
    gathering: float
    optimiser: float
    sent: float

    @property
    def seconds(self) -> float:
        """Seconds of the step."""
        return self.compute + self.waiting + self.gathering + self.optimiser


def simulate(model: Model, work: Work, machine: Machine, processes: int) -> Step:
    """Simulate one optimiser step.

    Args:
        model: Shape of the encoder.
        work: The step.
        machine: Speeds.
        processes: Number of processes.
    """
    forward, backward = _passes(model, work, machine, processes)
    compute = work.micro_batches * (forward + backward)
    network = 0.0
    for ready, size in _buckets(model, work, compute - backward, backward):
        network = max(network, ready) + machine.all_reduce(size, processes)
    parameters = model.layers * model.layer + model.embeddings(work.rows)
    states = work.pairs * (work.source + work.pivot) * model.width * FLOAT / processes
    return Step(
        compute=compute,
        waiting=max(0.0, network - compute) if processes > 1 else 0.0,
        gathering=machine.all_gather(states, processes) if work.gathered else 0.0,
        optimiser=parameters * OPTIMISER_TRAFFIC / machine.memory,
        sent=2 * (processes - 1) / processes * parameters * FLOAT,
    )


def _passes(model: Model, work: Work, machine: Machine, processes: int) -> tuple[float, float]:
    """Return the seconds of one micro-batch's forward and backward pass on the process with most sub-words."""
    pairs = work.pairs / work.micro_batches / processes
    trained = model.flops(work.source, work.source) + model.flops(work.pivot, work.pivot)
    frozen = model.flops(work.pivot, work.pivot) if work.frozen_pivot else 0.0
    slowest = pairs * _slowest(work.spread, pairs, processes)
    return slowest * (trained + frozen) / machine.rate, slowest * 2 * trained / machine.rate


def _slowest(spread: float, pairs: float, processes: int) -> float:
    """Return the work of the process with most, over the mean.

    Every process draws its pairs' lengths; the largest of n sums of k lengths is about
    ``1 + spread sqrt(2 ln n / k)``, the normal approximation of extremes. Processes that take turns in a micro-batch
    sorted by length differ by less.
    """
    return 1 + spread * math.sqrt(2 * math.log(processes) / max(1.0, pairs)) if processes > 1 else 1


def _buckets(
    model: Model, work: Work, start: float, backward: float
) -> Iterator[tuple[float, float]]:
    """Yield the time at which each bucket of gradients is complete, and its bytes: the last layer's first."""
    waiting = 0.0
    for done in range(1, model.layers + 1):
        waiting += model.layer * FLOAT
        while waiting >= BUCKET:
            yield start + backward * done / model.layers, BUCKET
            waiting -= BUCKET
    # The embeddings' gradient is complete only at the end.
    yield start + backward, waiting + model.embeddings(work.rows) * FLOAT


@dataclass(frozen=True)
class FrozenCost:
    """Seconds that one process spends on the frozen encoder's vectors of a number of pairs.

    Attributes:
        computed: Computing them in every epoch.
        kept: Computing them in the first epoch and writing them to disk, and reading them in every further epoch.
        written: Bytes on disk.
    """

    computed: float
    kept: float
    written: float


def frozen_cost(
    model: Model,
    machine: Machine,
    *,
    pairs: float,
    length: float,
    epochs: int,
    disk: float,
    bytes_per_number: int = 2,
    processes: int = 1,
    sharded: bool = False,
) -> FrozenCost:
    """Compare the frozen encoder's forward pass in every epoch with its vectors of one layer on disk.

    Nothing overlaps: neither the disk nor the network works while the process computes. A sharded encoder's layers are
    gathered once for each micro-batch of ``MICRO_BATCH`` sub-words of a process.

    Args:
        model: Shape of the encoder.
        machine: Speeds.
        pairs: Pairs of an epoch, of one process.
        length: Sub-words of the side that is encoded.
        epochs: Number of epochs.
        disk: Bytes per second that one process reads or writes.
        bytes_per_number: Bytes of a stored number: 2 for bfloat16, 4 for float32.
        processes: Number of processes.
        sharded: Whether the frozen encoder is sharded over them.
    """
    tokens = pairs * length
    forward = model.flops(tokens, length) / machine.rate
    if sharded and processes > 1:
        part = model.layers * model.layer * FLOAT / processes
        forward += tokens / MICRO_BATCH * machine.all_gather(part, processes)
    written = tokens * model.width * bytes_per_number
    return FrozenCost(
        computed=epochs * forward,
        kept=forward + (epochs * written / disk if epochs > 1 else 0.0),
        written=written,
    )


def table(
    model: Model,
    work: Work,
    machine: Machine,
    processes: Sequence[int],
    *,
    same_batch: bool,
    total: float,
    price: float | None,
) -> Iterator[str]:
    """Yield the lines of the table.

    Args:
        model: Shape of the encoder.
        work: The step of one process; with ``same_batch``, that of all processes together.
        machine: Speeds.
        processes: Numbers of processes.
        same_batch: Keep the batch of the run, so that each process has less to do; otherwise that of a process.
        total: Number of pairs whose cost is printed.
        price: Price of a device for an hour; None prints no cost.
    """
    yield (
        f"{'processes':>9} {'step, ms':>9} {'waiting, ms':>11} {'MB sent':>8} {'pairs/s':>12} {'efficiency':>10} "
        f"{'hours':>9} {'device-hours':>12}" + ("" if price is None else f" {'cost':>10}")
    )
    alone = simulate(model, work, machine, 1)
    for count in processes:
        step_work = work if same_batch else replace(work, pairs=work.pairs * count)
        step = simulate(model, step_work, machine, count)
        rate = step_work.pairs / step.seconds
        efficiency = rate / (work.pairs / alone.seconds) / count
        hours = total / rate / 3600
        waiting = 1e3 * (step.waiting + step.gathering)
        yield (
            f"{count:>9,} {1e3 * step.seconds:>9.1f} {waiting:>11.2f} {step.sent / 1e6:>8,.0f} {rate:>12,.0f} "
            f"{efficiency:>10.0%} {hours:>9,.2f} {hours * count:>12,.0f}"
            + ("" if price is None else f" {hours * count * price:>10,.0f}")
        )


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="xlm-roberta-base")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 8, 64, 512])
    parser.add_argument("--batch", type=int, default=512, help="pairs of a step, of one process")
    parser.add_argument("--accumulate", type=int, default=1, help="micro-batches of a step")
    parser.add_argument(
        "--same-batch", action="store_true", help="--batch is that of the whole run"
    )
    parser.add_argument("--rows", type=int, default=30_000, help="trained sub-word embeddings")
    parser.add_argument("--whole-vocabulary", action="store_true", help="train all of them")
    parser.add_argument("--gathered", action="store_true", help="the objective reads whole batches")
    parser.add_argument("--subwords", type=float, default=35.0, help="sub-words of a sentence")
    parser.add_argument("--rate", type=float, default=H100.rate, help="useful operations a second")
    parser.add_argument("--outside", type=float, default=H100.outside, help="bytes/s between nodes")
    parser.add_argument("--node", type=int, default=H100.node, help="processes of a node")
    parser.add_argument("--pairs", type=float, default=1e9, help="pairs whose cost is printed")
    parser.add_argument("--price", type=float, help="price of a device for an hour")
    chosen = parser.parse_args()
    work = Work(
        pairs=chosen.batch,
        micro_batches=chosen.accumulate,
        source=chosen.subwords,
        pivot=chosen.subwords,
        rows=None if chosen.whole_vocabulary else chosen.rows,
        gathered=chosen.gathered,
    )
    machine = replace(H100, rate=chosen.rate, outside=chosen.outside, node=chosen.node)
    lines = table(
        MODELS[chosen.model],
        work,
        machine,
        chosen.processes,
        same_batch=chosen.same_batch,
        total=chosen.pairs,
        price=chosen.price,
    )
    for line in lines:
        print(line)


if __name__ == "__main__":
    main()
