"""Bitext: two line-aligned files as a corpus in a memory-mapped Arrow file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from otx.data.arrow import open_arrow, write_arrow
from otx.data.cache import built, cache_folder
from otx.data.encodings import UTF8
from otx.data.lines import Line, read_lines
from otx.errors import DataError
from otx.files.digests import file_digest, short_key
from otx.interfaces import Corpus
from otx.types import Pair, Problem

VERSION = 1
"""Changes whenever the same bytes would be read differently."""
MAX_CHARACTERS = 10_000

NumberedLines = tuple[int, Line, Line]
"""A line's number, from 1, and its two sides, source first."""

_SCHEMA = pa.schema([("source", pa.string()), ("pivot", pa.string()), ("line", pa.int64())])
_PAIRS, _PROBLEMS, _RECORD = "pairs.arrow", "problems.jsonl", "record.json"


class Bitext(Corpus):
    """A types.Corpus over what ``store_pairs`` filled; text is in memory only when asked for.

    ``files`` name the two sides in problems. ``gold``, if the corpus comes with gold word
    alignments of its languages, are the files of links and of sentences.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        languages: tuple[str, str],
        files: tuple[str, str],
        pretokenised: bool = False,
        gold: tuple[Path, Path] | None = None,
    ) -> None:
        self.folder = folder
        self.name = name
        self.source_language, self.pivot_language = languages
        self.files = files
        self.pretokenised = pretokenised
        self.gold = gold
        self._pairs = open_arrow(folder / _PAIRS)
        record = json.loads((folder / _RECORD).read_text())
        self._fingerprint = short_key(VERSION, languages, pretokenised, record["digest"])

    def __len__(self) -> int:
        """How many pairs were kept."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> Pair:
        """Pair number ``index`` (from 0)."""
        return Pair(**self._pairs[index])

    def pick(self, indices: np.ndarray) -> list[Pair]:
        """The pairs of ``indices [K]``, in their order."""
        found = self._pairs[indices]
        columns = found["source"], found["pivot"], found["line"]
        return [Pair(*values) for values in zip(*columns, strict=True)]

    def fingerprint(self) -> str:
        """A hash of kept pairs, line numbers, languages, tokenisation; not of where files lie."""
        return self._fingerprint

    def problems(self) -> list[Problem]:
        """Every refused or repaired line, read from the cache on each call."""
        found = []
        with (self.folder / _PROBLEMS).open(encoding="utf-8") as lines:
            for text in lines:
                side, line, kind, reason = json.loads(text)
                found.append(Problem(self.files[side], line, kind, reason))
        return found


def read_bitext(
    source: Path,
    pivot: Path,
    *,
    languages: tuple[str, str],
    name: str | None = None,
    pretokenised: bool = False,
    max_characters: int = MAX_CHARACTERS,
    encoding: str = UTF8,
    gold: tuple[Path, Path] | None = None,
    cache: Path | None = None,
) -> Bitext:
    """Read two line-aligned files, plain or ``.gz``, as a corpus.

    They are read once and kept in ``cache`` under a digest of their bytes. A pair with a refused side is left out and
    listed in ``problems``.

    Args:
        source: The source language's file.
        pivot: The pivot language's file.
        languages: Source and pivot language.
        name: The corpus's name; by default those of the files.
        pretokenised: Whether words are separated by white space.
        max_characters: Longer lines are refused.
        encoding: The files' encoding, unless a byte-order mark says which it is.
        gold: Files of gold word links and of their sentences that come with the corpus.
        cache: Cache folder; otx's own by default.

    Returns:
        The corpus.

    Raises:
        DataError: Naming both files, if their line counts differ; if one cannot be read.
    """
    digests = file_digest(source), file_digest(pivot)
    packed = [path.suffix == ".gz" for path in (source, pivot)]
    more = [] if encoding == UTF8 else [encoding]
    key = short_key(VERSION, digests, packed, max_characters, *more)

    def build(folder: Path) -> None:
        store_pairs(folder, _line_pairs(source, pivot, max_characters, encoding))

    folder = built((cache or cache_folder()) / "bitext" / key, build)
    return Bitext(
        folder,
        name=name or f"{source}, {pivot}",
        languages=languages,
        files=(str(source), str(pivot)),
        pretokenised=pretokenised,
        gold=gold,
    )


def store_pairs(folder: Path, lines: Iterable[NumberedLines]) -> None:
    """Fill ``folder`` with what Bitext opens."""
    digest = hashlib.blake2b(digest_size=16)

    def kept() -> Iterator[tuple[str, str, int]]:
        with (folder / _PROBLEMS).open("w", encoding="utf-8") as problems:
            for number, *sides in lines:
                for side, line in enumerate(sides):
                    for fault in line.faults:
                        problems.write(json.dumps([side, number, *fault]) + "\n")
                if not any(line.refused for line in sides):
                    digest.update(f"{number}\n{sides[0].text}\n{sides[1].text}\n".encode())
                    yield sides[0].text, sides[1].text, number

    write_arrow(folder / _PAIRS, _SCHEMA, kept())
    (folder / _RECORD).write_text(json.dumps({"digest": digest.hexdigest()}))


def _line_pairs(
    source: Path, pivot: Path, max_characters: int, encoding: str
) -> Iterator[NumberedLines]:
    """Both files' lines side by side; DataError with both counts if one ends first."""
    left, right = (read_lines(path, max_characters, encoding) for path in (source, pivot))
    count = 0
    for line in left:
        other = next(right, None)
        if other is None:
            raise _unequal(source, count + 1 + _rest(left), pivot, count)
        count += 1
        yield count, line, other
    extra = _rest(right)
    if extra:
        raise _unequal(source, count, pivot, count + extra)


def _rest(lines: Iterator[Line]) -> int:
    return sum(1 for _ in lines)


def _unequal(source: Path, source_lines: int, pivot: Path, pivot_lines: int) -> DataError:
    return DataError(
        f"unequal line counts: {source_lines:,} in {source}, {pivot_lines:,} in {pivot}",
        "line i of one file must translate line i of the other",
    )
