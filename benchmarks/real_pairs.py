"""Real sentence pairs for benchmarks: English-German text of four kinds, or the sample corpus without it."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parents[2] / "shared/data"
SAMPLE = Path(__file__).parents[1] / "plugins/otx_corpora/sample"
SOURCES = ("tatoeba", "wmt-news", "bible", "l10n")


def write_pairs(count: int, folder: Path, data: Path = DATA) -> Path:
    """Write pairs as two line-aligned files, and return their prefix.

    Args:
        count: Number of pairs, as many from each of the ``SOURCES``.
        folder: Folder of the files.
        data: Folder with ``bitext``.
    """
    pairs = real_pairs(count, data)
    prefix = folder / "en-de"
    for number, language in enumerate(("en", "de")):
        lines = "".join(f"{pair[number]}\n" for pair in pairs)
        prefix.with_suffix(f".{language}").write_text(lines, encoding="utf-8")
    return prefix


def real_pairs(count: int, data: Path = DATA) -> list[tuple[str, str]]:
    """Return pairs in a random but fixed order, without repetitions.

    Args:
        count: Number of pairs.
        data: Folder with ``bitext``.
    """
    order = random.Random(0)
    pairs: list[tuple[str, str]] = []
    for source in SOURCES:
        own = sorted(set(_lines(data / "bitext" / source)))
        order.shuffle(own)
        pairs += own[: -(-count // len(SOURCES))]
    if not pairs:
        pairs = sorted(
            set(zip(*(_text(SAMPLE / f"train.{side}.txt") for side in ("en", "de")), strict=True))
        )
    order.shuffle(pairs)
    return pairs[:count]


def _lines(folder: Path) -> Iterator[tuple[str, str]]:
    files = [folder / f"en-de.{language}.gz" for language in ("en", "de")]
    if all(file.is_file() for file in files):
        yield from zip(*(_text(file) for file in files), strict=True)


def _text(file: Path) -> list[str]:
    opened = gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open()
    with opened as lines:
        return [line.strip() for line in lines]
