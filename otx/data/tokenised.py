"""Tokenise a corpus once, into a cached, memory-mapped Arrow file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from otx.data.arrow import open_arrow, write_arrow
from otx.data.cache import built, refuse_damage
from otx.data.length_order import BLOCK, LengthOrder
from otx.data.subset import blocks
from otx.data.tokenizer_rules import tokenizer_digest
from otx.files.arrays import ArrayWriter, open_array, scan
from otx.files.digests import short_key
from otx.interfaces import Corpus, Encoder
from otx.types import Problem, TokenRow

VERSION = 3
"""Raised whenever the same text would be tokenised or stored differently."""

_IDS = pa.list_(pa.int32())
_SCHEMA = pa.schema(
    [
        (f"{side}_{name}", kind)
        for side in ("source", "pivot")
        for name, kind in (
            ("ids", _IDS),
            ("index", _IDS),
            ("words", pa.int32()),
            ("cut", pa.int32()),
        )
    ]
    + [("line", pa.int64())]
)
_ROWS, _LENGTHS, _COUNTS, _IDS_USED = "rows.arrow", "lengths.npy", "counts.json", "vocabulary.npy"
_NOTED = "noted.npy"
"""Lines of the pairs that are never drawn or lost words, with -1 or the number of words."""


@dataclass(slots=True)
class SideCounts:
    """Counts of one side after tokenisation, without special tokens.

    Attributes:
        subwords: Sub-words.
        unknown: Sub-words that the tokenizer does not know.
        words: Words.
        cut_sides: Texts that lost words to the length limit.
        cut_words: Words lost to the length limit.
    """

    subwords: int = 0
    unknown: int = 0
    words: int = 0
    cut_sides: int = 0
    cut_words: int = 0

    def add(self, row: TokenRow, unknown: int | None) -> None:
        """Count one text.

        Args:
            row: The text's sub-words.
            unknown: The tokenizer's id of the unknown sub-word, if it has one.
        """
        self.subwords += sum(word >= 0 for word in row.word_index)
        self.unknown += 0 if unknown is None else row.ids.count(unknown)
        self.words += row.words
        self.cut_sides += row.cut > 0
        self.cut_words += row.cut


class TokenisedPairs:
    """The rows of a tokenised corpus; row i is pair i.

    Args:
        folder: A folder that ``tokenise`` has filled.
        corpus: The corpus.

    Attributes:
        lengths: Sub-words of source and pivot ``[N, 2]``, special tokens included. Both are 0 if a side has no word
            left; such a pair is never drawn.
        key: Key of the cache: of everything that the rows depend on.
        order: The pairs that can be drawn, by length.
        drawn: Number of pairs that can be drawn.
        tokens: Number of sub-words in them, special tokens included.
        vocabulary: Ids ``[K]`` that occur in pairs that can be drawn, ascending.
        counts: Counts by language.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._rows = open_arrow(folder / _ROWS)
        self._name, self.key = corpus.name, folder.name
        self.lengths = open_array(folder / _LENGTHS)
        self.order = LengthOrder.read(folder)
        self._noted = open_array(folder / _NOTED)
        self.drawn = len(self.order.pairs)
        self.vocabulary: np.ndarray = np.load(folder / _IDS_USED)
        counts = json.loads((folder / _COUNTS).read_text())
        self.tokens: int = counts["tokens"]
        languages = corpus.source_language, corpus.pivot_language
        self.counts = {
            language: SideCounts(**count)
            for language, count in zip(languages, counts["sides"], strict=True)
        }

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.lengths)

    @property
    def cut_sides(self) -> dict[str, int]:
        """Number of texts that lost words to the length limit, by language."""
        return {language: count.cut_sides for language, count in self.counts.items()}

    @property
    def unknown_rate(self) -> dict[str, float]:
        """Share of the sub-words that the tokenizer does not know, by language."""
        return {
            language: count.unknown / max(count.subwords, 1)
            for language, count in self.counts.items()
        }

    def rows(self, indices: np.ndarray) -> tuple[list[TokenRow], list[TokenRow], list[int]]:
        """Return the rows of some pairs.

        Args:
            indices: Numbers of the pairs ``[K]``.

        Returns:
            Source rows, pivot rows and line numbers, in the order of ``indices``.
        """
        refuse_damage()
        cells = self._rows[np.asarray(indices)]
        return _side(cells, "source"), _side(cells, "pivot"), cells["line"]

    def drawn_lines(self) -> Iterator[np.ndarray]:
        """Yield the line numbers of pairs with a word on both sides, in blocks."""
        start = 0
        for lines in self._rows.data.column("line").chunks:
            lengths = self.lengths[start : start + len(lines)]
            start += len(lines)
            yield lines.to_numpy()[(lengths > 0).all(axis=1)]

    def problems(self) -> Iterator[Problem]:
        """Yield the pairs that are never drawn, and then those that lost words."""
        wordless = "a side has no word left after tokenisation and the length limit"
        for line, cut in self._noted:
            if cut < 0:
                yield Problem(self._name, int(line), "wordless", wordless)
        for line, cut in self._noted:
            if cut > 0:
                reason = f"{cut} words are beyond the length limit (encoder.max_length)"
                yield Problem(self._name, int(line), "cut", reason)


def tokenise(
    corpus: Corpus, encoder: Encoder, cache: Path, *, max_length: int | None = None
) -> TokenisedPairs:
    """Split a corpus into an encoder's sub-words, or take it from the cache.

    The cache is keyed by the digests of the text and the tokenizer, the effective length limit and the encoder's class.

    Args:
        corpus: The pairs.
        encoder: The encoder; its tokenizer must be a fast one, which gives character offsets.
        cache: The cache folder.
        max_length: Longest row in sub-words, special tokens included; the encoder's own ``max_length`` applies where
            it is lower, or where none is given.

    Returns:
        The rows, memory-mapped.

    Raises:
        UsageError: If the tokenizer is not a fast one.
    """
    kind = f"{type(encoder).__module__}.{type(encoder).__qualname__}"
    limit = encoder.max_length if max_length is None else min(max_length, encoder.max_length)
    key = short_key(VERSION, corpus.fingerprint(), tokenizer_digest(encoder.tokenizer), limit, kind)
    return TokenisedPairs(
        built(cache / "tokenised" / key, lambda folder: _store(folder, corpus, encoder, limit)),
        corpus,
    )


def _store(folder: Path, corpus: Corpus, encoder: Encoder, limit: int) -> None:
    counts = SideCounts(), SideCounts()
    unknown = encoder.tokenizer.unk_token_id
    vocabulary: set[int] = set()

    def rows(lengths: ArrayWriter, noted: ArrayWriter) -> Iterator[tuple[Any, ...]]:
        for pairs in blocks(corpus):
            texts = [pair.source for pair in pairs], [pair.pivot for pair in pairs]
            rows_of_sides = [
                encoder.tokenise(side, pretokenised=corpus.pretokenised, max_length=limit)
                for side in texts
            ]
            sizes: list[list[int]] = []
            notes: list[list[int]] = []
            for source, pivot, pair in zip(*rows_of_sides, pairs, strict=True):
                sides = source, pivot
                usable = all(max(row.word_index, default=-1) >= 0 for row in sides)
                sizes.append([len(row.ids) if usable else 0 for row in sides])
                if not usable or source.cut or pivot.cut:
                    notes.append([pair.line, source.cut + pivot.cut if usable else -1])
                for count, row in zip(counts, sides, strict=True):
                    count.add(row, unknown)
                    if usable:
                        vocabulary.update(row.ids)
                cells = ((row.ids, row.word_index, row.words, row.cut) for row in sides)
                yield (*(cell for side in cells for cell in side), pair.line)
            lengths.add(np.array(sizes))
            noted.add(np.array(notes).reshape(-1, 2))

    with (
        ArrayWriter(folder / _LENGTHS, np.int32, width=2) as lengths,
        ArrayWriter(folder / _NOTED, np.int64, width=2) as noted,
    ):
        write_arrow(folder / _ROWS, _SCHEMA, rows(lengths, noted))
    sizes = open_array(folder / _LENGTHS)
    tokens = sum(int(block.sum()) for _, block in scan(sizes, BLOCK))
    LengthOrder.write(sizes, folder)
    np.save(folder / _IDS_USED, np.array(sorted(vocabulary), dtype=np.int64))
    sides = [asdict(count) for count in counts]
    (folder / _COUNTS).write_text(json.dumps({"tokens": tokens, "sides": sides}))


def _side(table: dict[str, list[Any]], side: str) -> list[TokenRow]:
    columns = (table[f"{side}_{name}"] for name in ("ids", "index", "words", "cut"))
    return [TokenRow(*cells) for cells in zip(*columns, strict=True)]
