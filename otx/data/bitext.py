"""Bitext: two line-aligned files, read once into a memory-mapped corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from otx.data.arrow import ArrowRows, write_arrow
from otx.data.cache import built, cache_folder, content_digest, refuse_damage
from otx.data.encodings import UTF8
from otx.data.lines import Line, read_lines
from otx.errors import DataError
from otx.files.digests import short_key
from otx.interfaces import Corpus
from otx.types import Pair, Problem

VERSION = 1
"""Raised whenever the same bytes would be read differently."""
MAX_CHARACTERS = 10_000
"""Default for the longest line in characters."""

NumberedLines = tuple[int, Line, Line]
"""Number of a line, from 1, and its two sides, source first."""

_SCHEMA = pa.schema([("source", pa.string()), ("pivot", pa.string()), ("line", pa.int64())])
_PAIRS, _PROBLEMS, _RECORD = "pairs.arrow", "problems.jsonl", "record.json"


class Bitext(Corpus):
    """A corpus in a folder that ``store_pairs`` has filled.

    Text is read from disk when it is used.

    Args:
        folder: The folder.
        name: Name in messages and records.
        languages: Source and pivot language.
        files: Names of the two sides in problems.
        pretokenised: Whether words are separated by white space.
        gold: Files of gold word links and of their sentences that come with the corpus.

    Attributes:
        folder: The folder.
        files: Names of the two sides in problems.
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
        self._pairs = ArrowRows(folder / _PAIRS)
        record = json.loads((folder / _RECORD).read_text())
        self._fingerprint = short_key(VERSION, languages, pretokenised, record["digest"])

    def __len__(self) -> int:
        """Return the number of pairs that were kept."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> Pair:
        """Return a pair by its number, from 0."""
        return Pair(**self._pairs[index])

    def pick(self, indices: np.ndarray) -> list[Pair]:
        """Return several pairs at once.

        Args:
            indices: Their numbers ``[K]``, in any order.

        Returns:
            The pairs in the order of ``indices``.
        """
        refuse_damage()
        rows = self._pairs.take(indices)
        columns = rows["source"], rows["pivot"], rows["line"]
        return [Pair(*values) for values in zip(*columns, strict=True)]

    def fingerprint(self) -> str:
        """Return a hash of pairs, line numbers, languages and tokenisation, not paths."""
        return self._fingerprint

    def problems(self) -> list[Problem]:
        """Return every refused or repaired line, read from the cache on each call."""
        return list(self.each_problem())

    def each_problem(self) -> Iterator[Problem]:
        """Yield every refused or repaired line, read from the cache."""
        with (self.folder / _PROBLEMS).open(encoding="utf-8") as lines:
            for text in lines:
                side, line, kind, reason = json.loads(text)
                yield Problem(self.files[side], line, kind, reason)


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

    The files are read once and cached under a digest of their bytes. A pair with a refused side is left out and listed
    in ``problems``.

    Args:
        source: The source language's file.
        pivot: The pivot language's file.
        languages: Source and pivot language.
        name: The corpus's name; by default those of the files.
        pretokenised: Whether words are separated by white space.
        max_characters: Longest line in characters; longer lines are refused.
        encoding: The files' encoding; a byte-order mark overrides it.
        gold: Files of gold word links and of their sentences that come with the corpus.
        cache: Cache folder; otx's own by default.

    Returns:
        The corpus.

    Raises:
        DataError: If a file cannot be read, or if the line counts differ; the message names both files.
    """
    digests = content_digest(source), content_digest(pivot)
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
    """Write the pairs and problems that ``Bitext`` opens.

    Args:
        folder: An existing folder.
        lines: Checked lines with their numbers. A pair with a refused side becomes a problem.
    """
    digest = hashlib.blake2b(digest_size=16)

    def kept() -> Iterator[tuple[str, str, int]]:
        with (folder / _PROBLEMS).open("w", encoding="utf-8") as problems:
            for number, source, pivot in lines:
                for side, line in enumerate((source, pivot)):
                    for fault in line.faults:
                        problems.write(json.dumps([side, number, *fault]) + "\n")
                if not (source.refused or pivot.refused):
                    digest.update(f"{number}\n{source.text}\n{pivot.text}\n".encode())
                    yield source.text, pivot.text, number

    write_arrow(folder / _PAIRS, _SCHEMA, kept())
    (folder / _RECORD).write_text(json.dumps({"digest": digest.hexdigest()}))


def _line_pairs(
    source: Path, pivot: Path, max_characters: int, encoding: str
) -> Iterator[NumberedLines]:
    """Yield both files' lines in parallel; DataError with both counts if one ends first."""
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
