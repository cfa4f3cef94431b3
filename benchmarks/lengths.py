"""Lengths of real sentence pairs, for benchmarks on machines without the text.

    python -m benchmarks.lengths ../shared/data      # writes lengths.npy anew

The file holds 2,000 pairs of English and 15 languages, drawn from all bitext at random: sub-words of XLM-R's vocabulary
of both sides, special tokens included and cut at 128 as by default, and their words.
"""

from __future__ import annotations

import argparse
import gzip
import random
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npy")
PAIRS = 2000
LONGEST = 128


def read_lengths(count: int, seed: int = 0) -> np.ndarray:
    """Return the lengths of pairs, drawn from those of the file with replacement.

    Args:
        count: Number of pairs.
        seed: Seed of the draw.

    Returns:
        Sub-words of source and pivot, words of source and pivot ``[count, 4]``.
    """
    table = np.load(FILE).astype(np.int64)
    drawn: np.ndarray = table[np.random.default_rng(seed).integers(len(table), size=count)]
    return drawn


def draw_pairs(data: Path, count: int) -> list[tuple[str, str]]:
    """Draw pairs from all bitext.

    Args:
        data: Folder with ``bitext``.
        count: Number of pairs.

    Returns:
        The other language's side and the English side of each.
    """
    pairs: list[tuple[str, str]] = []
    for english in sorted((data / "bitext").glob("*/en-*.en.gz")):
        language = english.name.split(".")[0].removeprefix("en-")
        other = english.with_name(f"en-{language}.{language}.gz")
        with gzip.open(other, "rt") as source, gzip.open(english, "rt") as pivot:
            pairs += zip(map(str.strip, source), map(str.strip, pivot), strict=True)
    return random.Random(0).sample(pairs, count)


def main() -> None:
    """Write the file."""
    from otx_encoders.e5_small import NAME, E5SmallEncoder
    from otx_encoders.options import EncoderOptions

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    encoder = E5SmallEncoder(NAME, EncoderOptions())
    sides = zip(*draw_pairs(given.data, PAIRS), strict=True)
    rows = [encoder.tokenise(side, max_length=LONGEST) for side in sides]
    columns = [[len(row.ids) for row in side] for side in rows]
    columns += [[row.words for row in side] for side in rows]
    np.save(FILE, np.array(columns, dtype=np.uint8).T)
    print(f"{FILE}: {np.mean(columns, axis=1).round(1).tolist()}")


if __name__ == "__main__":
    main()
