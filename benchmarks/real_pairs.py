"""Real sentence pairs for benchmarks: English-German text of four kinds, or the sample corpus without it."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

DATA = Path(__file__).parents[2] / "shared/data"
SAMPLE = Path(__file__).parents[1] / "plugins/otx_corpora/sample"
SOURCES = ("tatoeba", "wmt-news", "bible", "l10n")


def write_pairs(
    count: int, folder: Path, sources: Sequence[str] = SOURCES, data: Path = DATA
) -> Path:
    """Write pairs as two line-aligned files, and return their prefix.

    Args:
        count: Number of pairs, as many from each source.
        folder: Folder of the files.
        sources: Folders of ``bitext``.
        data: Folder with ``bitext``.
    """
    pairs = real_pairs(count, sources, data)
    prefix = folder / "en-de"
    for number, language in enumerate(("en", "de")):
        lines = "".join(f"{pair[number]}\n" for pair in pairs)
        prefix.with_suffix(f".{language}").write_text(lines, encoding="utf-8")
    return prefix


def real_pairs(
    count: int, sources: Sequence[str] = SOURCES, data: Path = DATA
) -> list[tuple[str, str]]:
    """Return pairs in a random but fixed order, without repetitions.

    Args:
        count: Number of pairs, as many from each source.
        sources: Folders of ``bitext``.
        data: Folder with ``bitext``.
    """
    order = random.Random(0)
    pairs: list[tuple[str, str]] = []
    for source in sources:
        own = sorted(set(_lines(data / "bitext" / source)))
        order.shuffle(own)
        pairs += own[: -(-count // len(sources))]
    if not pairs:
        pairs = sorted(
            set(zip(*(_text(SAMPLE / f"train.{side}.txt") for side in ("en", "de")), strict=True))
        )
    order.shuffle(pairs)
    return pairs[:count]


def has_sources(sources: Sequence[str] = SOURCES, data: Path = DATA) -> bool:
    """Return whether every source is at hand.

    Args:
        sources: Folders of ``bitext``.
        data: Folder with ``bitext``.
    """
    return all((data / "bitext" / source / "en-de.de.gz").is_file() for source in sources)


def _lines(folder: Path) -> Iterator[tuple[str, str]]:
    files = [folder / f"en-de.{language}.gz" for language in ("en", "de")]
    if all(file.is_file() for file in files):
        yield from zip(*(_text(file) for file in files), strict=True)


def _text(file: Path) -> list[str]:
    content = file.read_bytes()
    text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode()
    return [line.strip() for line in text.rstrip("\n").split("\n")]
