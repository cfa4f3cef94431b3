"""Measure how fast a corpus is tokenised and read, compared with the bare tokenizers library.

    python -m benchmarks.tokenise [--model mini] [--pairs 8000] [--threads 2]

"tokenizers" is `encode_batch` of the same tokenizer on the same texts, 2,000 at a time, its result dropped. "otx" is
what `otx align` does under "Tokenising the corpora" when the cache is empty: reading the cached corpus, encode_batch,
the word of every sub-word, and writing the arrays. Contenders take turns; the fastest of three rounds counts. Then the
time to read and pad a batch of 4,096 sub-words, against the time that the encoder needs for one forward pass over it:
a step of an alignment takes at least four such passes.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch

from benchmarks.record import Result, record

BLOCK = 2_000
"""Texts that the peer encodes at once: as many as otx does."""
BATCH = 4_096
"""Sub-words of both sides in a batch."""
TARGET_WAIT = 0.01
"""Aim: the share of a step's time that is spent waiting for data."""


def seconds(work: Callable[[], Any]) -> float:
    """Return the wall time of a call.

    Args:
        work: The call.
    """
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pairs", type=int, default=8_000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    # Read by the tokenizers library when it first encodes.
    os.environ["RAYON_NUM_THREADS"] = str(given.threads)
    torch.set_num_threads(given.threads)
    from benchmarks.link import open_model, read_pairs
    from otx.data.bitext import read_bitext
    from otx.data.inference import reading
    from otx.data.tokenised import tokenise

    encoder = open_model(given.model)
    pairs = read_pairs(given.pairs)
    texts = [text for pair in pairs for text in pair]
    size = sum(len(text.encode()) for text in texts) / 1e6
    bare = encoder.tokenizer.backend_tokenizer
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in (0, 1):
            lines = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / str(side)).write_text(lines, encoding="utf-8")
        corpus = read_bitext(
            folder / "1", folder / "0", languages=("xx", "en"), cache=folder / "cache"
        )

        def peer() -> None:
            for start in range(0, len(texts), BLOCK):
                bare.encode_batch(texts[start : start + BLOCK])

        def ours() -> Any:
            shutil.rmtree(folder / "tokens", ignore_errors=True)
            return tokenise(corpus, encoder, folder / "tokens")

        rounds = [(seconds(peer), seconds(ours)) for _ in range(3)]
        print(
            f"{platform.machine()}, {given.threads} threads, tokenizers {tokenizers.__version__}, "
            f"{given.model}, {len(pairs):,} English-German pairs, {size:.1f} MB"
        )
        best = [min(column) for column in zip(*rounds, strict=True)]
        print(f"{'':12} {'MB/s':>6} {'pairs/s':>8} {'of tokenizers':>14}")
        for label, spent in zip(("tokenizers", "otx"), best, strict=True):
            share = best[0] / spent
            print(f"{label:12} {size / spent:6.2f} {len(pairs) / spent:8.0f} {share:14.0%}")
        record(
            Result(
                f"tokenising a corpus once, {given.model}",
                f"{size / best[1]:.2f} MB/s, {len(pairs) / best[1]:.0f} pairs/s",
                peer=f"encode_batch of tokenizers {tokenizers.__version__}",
                ratio=best[0] / best[1],
            )
        )
        tokenised = ours()
        order = np.random.default_rng(0).permutation(len(tokenised))
        filled = np.cumsum(tokenised.lengths[order].sum(axis=1))
        batch = order[: int(np.searchsorted(filled, BATCH))]

        def read() -> tuple[Any, Any]:
            source, pivot, _ = tokenised.rows(batch)
            return encoder.collate(source), encoder.collate(pivot)

        sides = read()

        def forward() -> None:
            with reading(encoder):
                for side in sides:
                    encoder.encode(side)

        waiting = min(seconds(read) for _ in range(20))
        computing = min(seconds(forward) for _ in range(3))
        waited = waiting / (4 * computing)
        record(
            Result(
                "waiting for data, share of a step",
                f"{waited:.2%} ({1e3 * waiting:.1f} ms a batch)",
                "1 %",
                waited < TARGET_WAIT,
                "four forward passes",
                waited,
            )
        )
        print(
            f"a batch of {len(batch)} pairs: read and padded in {1e3 * waiting:.2f} ms, "
            f"one forward pass {1e3 * computing:.0f} ms: "
            f"{waited:.2%} of four passes"
        )


if __name__ == "__main__":
    main()
