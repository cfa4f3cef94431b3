"""Measure `otx link` against simalign and awesome-align on the same encoder, and against the machine's matrix rate.

    pip install simalign awesome-align
    python -m benchmarks.link [--pairs 1024] [--peer-pairs 96] [--threads 2]

Each contender links the first of some real pairs (benchmarks/real_pairs.py), in a process of its own, by its last
layer; the peers link fewer pairs, since they are slow. Seconds count everything from the text files to the file of
links, without starting Python and loading the encoder: reading the corpus into a fresh cache, tokenising, encoding,
extraction, writing.

"sub-words/s" counts useful sub-words only: those of the texts and their special tokens, no padding; the ratio is that
of sub-words/s. "of matrix rate" is the arithmetic of these sub-words in matrix products (2 multiply-adds per weight of
every linear layer, and 4 T D per sub-word and layer for the attention over T sub-words) per second, over the rate of a
float32 product of two 2,048 x 2,048 matrices. On a shared machine that rate changes by a quarter from one minute to the
next, so it is measured between the batches of `otx link`, in its process, and the mean counts.

"equal" is the share of pairs for which both find the same links. simalign with token_type="word" averages a word's
sub-words, as otx does with encoder.word_vector=mean: the methods are the same. awesome-align links sub-words, and words
if any of their sub-words are linked: its method is the same where every word is one sub-word. So its links are also
compared on "plain" pairs: the same pairs without their words of several sub-words.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.real_pairs import real_pairs
from benchmarks.record import Result, record

LinkSets = list[set[tuple[int, int]]]
PEERS = {
    "simalign": ("simalign_links", ("argmax", "itermax"), ""),
    "awesome-align softmax": ("awesome_align_links", ("softmax",), "softmax"),
    "awesome-align entmax": ("awesome_align_links", ("entmax",), "entmax15"),
}
"""For each peer its script, our methods that are the same, and its own name of the method."""
TARGET_SHARE, TARGET_RATIO = 0.8, 3
"""Aims: the share of the matrix rate, and how many times faster than awesome-align."""
SIDE = 2048
"""Rows and columns of the matrices of the machine's rate."""
PACKAGES = {"simalign_links": "simalign", "awesome_align_links": "awesome_align"}


@dataclass(frozen=True)
class Sample:
    """The pairs to link, and what their encoding costs.

    Attributes:
        pairs: Source and target text, tokens by space.
        subwords: Useful sub-words of both sides of each pair.
        operations: Floating-point operations in matrix products of each pair.
        plain: The pairs without their words of several sub-words, as far as both sides have a word left.
    """

    pairs: list[tuple[str, str]]
    subwords: list[int]
    operations: list[float]
    plain: list[tuple[str, str]]


def read_pairs(count: int) -> list[tuple[str, str]]:
    """Return real pairs of text, tokens separated by one space.

    Args:
        count: Number of pairs.
    """
    pairs = real_pairs(count)
    return [(" ".join(one.split()), " ".join(other.split())) for one, other in pairs]


def open_model(model: str) -> Any:
    """Return an encoder.

    Args:
        model: Its reference.
    """
    from otx.cli.context import open_project
    from otx.training.factories import open_encoder

    settings, host = open_project({}, [])
    return open_encoder(model, host.registry, settings.option_tables)


def examine(pairs: list[tuple[str, str]], encoder: Any) -> Sample:
    """Count sub-words and operations of pairs.

    Args:
        pairs: The pairs.
        encoder: The encoder.
    """
    linear = [layer for layer in encoder.module.modules() if isinstance(layer, torch.nn.Linear)]
    weights = sum(layer.weight.numel() for layer in linear)
    rows = [encoder.tokenise([pair[side] for pair in pairs], pretokenised=True) for side in (0, 1)]
    lengths = [[len(row.ids) for row in pair] for pair in zip(*rows, strict=True)]
    attention = 4 * encoder.layers * encoder.dimension
    words = sorted({word for pair in pairs for text in pair for word in text.split()})
    pieces = encoder.tokenise(words, pretokenised=True)
    single = {
        word
        for word, row in zip(words, pieces, strict=True)
        if sum(index >= 0 for index in row.word_index) == 1
    }
    kept = [tuple(" ".join(w for w in text.split() if w in single) for text in p) for p in pairs]
    return Sample(
        pairs,
        [sum(pair) for pair in lengths],
        [sum(2 * weights * t + attention * t * t for t in pair) for pair in lengths],
        [pair for pair in kept if all(pair)],
    )


def link_here(pairs: Sequence[tuple[str, str]], encoder: Any, method: Any) -> LinkSets:
    """Return the links that ``otx link`` writes, by its functions.

    Args:
        pairs: The pairs.
        encoder: The encoder.
        method: Extraction method.
    """
    from otx.links.methods import MethodSettings
    from otx.links.word_vectors import encode_words, link_texts

    texts = [pair[side] for side in (0, 1) for pair in pairs]
    rows = encoder.tokenise(texts, pretokenised=True)
    words = encode_words(encoder, rows, layer=-1, word_vector="mean", batch_tokens=4096)
    numbers = np.arange(len(pairs))
    table = link_texts(words, numbers, numbers + len(pairs), MethodSettings(method))
    links: LinkSets = [set() for _ in pairs]
    for pair, i, j in zip(
        *(c.tolist() for c in (table.pair, table.source, table.target)), strict=True
    ):
        links[pair].add((i, j))
    return links


def matrix_rate(seconds: float = 0.7) -> float:
    """Return the rate of a product of float32 matrices, in operations per second.

    Args:
        seconds: Time to spend.
    """
    x, y = torch.rand(2, SIDE, SIDE)
    torch.mm(x, y)
    spent: list[float] = []
    while sum(spent) < seconds:
        began = time.perf_counter()
        torch.mm(x, y)
        spent.append(time.perf_counter() - began)
    return 2 * SIDE**3 / statistics.median(spent)


def link_child(arguments: list[str]) -> None:
    """Run ``otx link`` in this process; the last line is its seconds without loading, and the mean matrix rate.

    Args:
        arguments: Arguments of the command.
    """
    from otx.alignment import link as engine
    from otx.alignment.link_parts import LinkParts
    from otx.cli import run
    from otx_encoders.huggingface import HuggingFaceEncoder

    spent, marks, rates = 0.0, dict[str, float](), list[float]()
    one_corpus, begin, encode = engine.one_corpus, LinkParts.begin, HuggingFaceEncoder.encode

    def timed_corpus(*given: Any) -> Any:
        nonlocal spent
        began = time.perf_counter()
        corpus = one_corpus(*given)
        spent += time.perf_counter() - began
        return corpus

    def marked(self: LinkParts) -> int:
        marks["began"] = time.perf_counter()
        return begin(self)

    def rated(self: HuggingFaceEncoder, *given: Any) -> Any:
        nonlocal spent
        encoded = encode(self, *given)
        if marks:  # not while it is loaded
            began = time.perf_counter()
            rates.append(matrix_rate())
            spent -= time.perf_counter() - began
        return encoded

    engine.one_corpus, LinkParts.begin = timed_corpus, marked  # type: ignore[method-assign]
    HuggingFaceEncoder.encode = rated  # type: ignore[method-assign]
    code = run(["--quiet", "link", *arguments])
    if code:
        sys.exit(code)
    print(spent + time.perf_counter() - marks["began"], statistics.mean(rates))


def run_otx(
    pairs: Sequence[tuple[str, str]], model: str, method: str, extra: Sequence[str]
) -> tuple[float, float, LinkSets]:
    """Return seconds, matrix rate and links of ``otx link`` in a process of its own, with a fresh cache.

    Args:
        pairs: The pairs.
        model: Reference of the encoder.
        method: Extraction method.
        extra: Further arguments.
    """
    from otx.data.cache import cache_folder
    from otx.links.pharaoh import read_links

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cache").mkdir()
        converted = cache_folder() / "encoders"
        if converted.exists():
            (folder / "cache" / "encoders").symlink_to(converted.resolve())
        for side, language in enumerate(("en", "xx")):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / f"en-xx.{language}").write_text(text, encoding="utf-8")
        sets = [
            "files.pretokenised=true",
            "files.max_characters=100000",
            "encoder.word_vector=mean",
            "encoder.max_length=512",
        ]
        arguments = [str(folder / "en-xx"), "--model", model, "--output", str(folder / "links")]
        arguments += ["--method", method, *(part for one in sets for part in ("--set", one))]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.link", "--child", *arguments, *extra],
            env={**os.environ, "OTX_CACHE": str(folder / "cache")},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        links = [set(line) for line in read_links(folder / "links")]
    seconds, rate = map(float, done.stdout.splitlines()[-1].split())
    return seconds, rate, links


def run_peer(
    peer: str, pairs: Sequence[tuple[str, str]], folder: str, layer: int
) -> tuple[float, dict[str, LinkSets]]:
    """Return the seconds of a peer in a process of its own, and its links by our name of the method.

    Args:
        peer: Name of the peer.
        pairs: The pairs.
        folder: A Hugging Face folder of the encoder.
        layer: Layer of the vectors.
    """
    script, ours, theirs = PEERS[peer]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(pairs, file)
        file.flush()
        command = [
            sys.executable,
            "-m",
            f"benchmarks.peers.{script}",
            folder,
            file.name,
            str(layer),
        ]
        done = subprocess.run(
            [*command, *([theirs] if theirs else [])],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    result = json.loads(done.stdout.splitlines()[-1])
    links = result["links"].values()
    return result["seconds"], {
        name: [{(i, j) for i, j in pair} for pair in one]
        for name, one in zip(ours, links, strict=True)
    }


def agreement(ours: LinkSets, theirs: LinkSets) -> str:
    """Return the share of equal pairs and the F1 of the links.

    Args:
        ours: Our links.
        theirs: A peer's links of the same pairs.
    """
    pairs = [*zip(ours, theirs, strict=True)]
    same = sum(a == b for a, b in pairs)
    common, size = sum(len(a & b) for a, b in pairs), sum(len(a) + len(b) for a, b in pairs)
    return f"equal in {same} of {len(pairs)} pairs, F1 {2 * common / max(size, 1):.4f}"


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        return link_child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=1024)
    parser.add_argument("--peer-pairs", type=int, default=96)
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch-tokens", default="4096")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    torch.set_num_threads(given.threads)
    encoder = open_model(given.model)
    sample = examine(read_pairs(given.pairs), encoder)
    few, plain = sample.pairs[: given.peer_pairs], sample.plain[: given.peer_pairs]
    extra = ["--batch-tokens", given.batch_tokens]
    seconds, rate, links = run_otx(sample.pairs, given.model, "argmax", extra)
    speeds = {"otx link": (seconds, len(sample.pairs))}
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        encoder.save(Path(folder))
        for peer, (script, _, _) in PEERS.items():
            if not find_spec(PACKAGES[script]):
                lines.append(f"{peer}: skipped, {PACKAGES[script]} is not installed")
                continue
            seconds, theirs = run_peer(peer, few, folder, encoder.layers)
            speeds[peer] = (seconds, len(few))
            for method, of_peer in theirs.items():
                ours = links[: len(few)] if method == "argmax" else link_here(few, encoder, method)
                same = agreement(ours, of_peer)
                lines.append(f"{peer} {method}: {same}")
                if script == "simalign_links":
                    record(Result(f"links equal to {peer}'s, {method}", same))
                if script == "awesome_align_links":
                    of_plain = run_peer(peer, plain, folder, encoder.layers)[1][method]
                    same = agreement(link_here(plain, encoder, method), of_plain)
                    lines.append(f"{peer} {method}, plain pairs: {same}")
                    record(Result(f"links equal to {peer}'s, words of one sub-word", same))
    print_table(given, sample, speeds, rate)
    print(*lines, sep="\n")


def print_table(
    given: argparse.Namespace,
    sample: Sample,
    speeds: dict[str, tuple[float, int]],
    machine: float,
) -> None:
    """Print the speeds.

    Args:
        given: The command's arguments.
        sample: The pairs.
        speeds: Seconds and number of pairs of each contender, ours first.
        machine: The machine's matrix rate.
    """
    print(
        f"{platform.machine()}, {given.threads} threads, torch {torch.__version__}, "
        f"transformers {version('transformers')}; matrix rate {machine / 1e9:.0f} GFLOP/s"
    )
    print(
        f"{given.model}, {len(sample.pairs):,} English-German pairs, "
        f"{sum(sample.subwords) / len(sample.pairs):.1f} useful sub-words a pair"
    )
    print(
        f"{'':22} {'pairs/s':>9} {'sub-words/s':>12} {'of matrix rate':>15} {'otx is x times':>15}"
    )
    rows = {
        name: (
            count / seconds,
            sum(sample.subwords[:count]) / seconds,
            sum(sample.operations[:count]) / seconds,
        )
        for name, (seconds, count) in speeds.items()
    }
    (pairs_a_second, first, rate), *_ = rows.values()
    for name, (pairs, speed, operations) in rows.items():
        print(
            f"{name:22} {pairs:9.1f} {speed:12.0f} {operations / machine:15.0%} {first / speed:15.2f}"
        )
    share = rate / machine
    record(
        Result(
            "`otx link`, share of the matrix rate, useful sub-words",
            f"{share:.0%} ({pairs_a_second:.0f} pairs/s)",
            "80 %",
            share >= TARGET_SHARE,
            f"torch.mm, {machine / 1e9:.0f} GFLOP/s",
            share,
        )
    )
    for name, (_, speed, _) in [*rows.items()][1:]:
        target = TARGET_RATIO if name.startswith("awesome") else None
        record(
            Result(
                f"`otx link`, sub-words/s over those of {name}",
                f"{first:.0f} sub-words/s",
                "" if target is None else f"{target} times",
                None if target is None else first / speed >= target,
                name,
                first / speed,
            )
        )


if __name__ == "__main__":
    main()
