"""The pairs of the benchmark: real ones, the same with wrong partners, and held-out ones, each in a fixed order."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

LANGUAGES = ("de", "es", "zh")
SOURCES = ("tatoeba", "bible", "l10n", "tico19", "wmt-news")
HELD_OUT = 1000
LONGEST = 15
"""Words of the English side."""


def write(data: Path, folder: Path, pairs: int) -> None:
    """``en-xx`` and ``wrong-en-xx`` (``pairs`` each) and ``heldout-en-xx`` for every language, unless they are there.

    One English sentence in eight, by its hash, is never trained on in any language: from these the held-out are drawn.
    Each English sentence is taken once a language, in the order of its hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        if prefix(folder, "heldout-", language).with_suffix(".en").exists():
            continue
        table: dict[str, str] = {}
        for english, other in _lines(data, language):
            if len(english.split()) <= LONGEST:
                table.setdefault(english, other)
        order = sorted(table, key=_hash)
        train = [(en, table[en]) for en in order if _hash(en)[0] % 8][:pairs]
        held = [(en, table[en]) for en in order if not _hash(en)[0] % 8][:HELD_OUT]
        others = [other for _, other in train]
        wrong = zip((en for en, _ in train), [*others[1:], others[0]], strict=True)
        _store(prefix(folder, "", language), language, train)
        _store(prefix(folder, "wrong-", language), language, list(wrong))
        _store(prefix(folder, "heldout-", language), language, held)


def prefix(folder: Path, kind: str, language: str) -> Path:
    """The prefix of two line-aligned files."""
    return folder / f"{kind}en-{language}"


def _lines(data: Path, language: str) -> Iterator[tuple[str, str]]:
    for source in SOURCES:
        files = [data / f"bitext/{source}/en-{language}.{side}.gz" for side in ("en", language)]
        if all(file.is_file() for file in files):
            with gzip.open(files[0], "rt") as one, gzip.open(files[1], "rt") as other:
                for english, translation in zip(one, other, strict=True):
                    yield english.strip(), translation.strip()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _store(stem: Path, language: str, pairs: list[tuple[str, str]]) -> None:
    for side, lines in zip(("en", language), zip(*pairs, strict=True), strict=True):
        stem.with_name(f"{stem.name}.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
