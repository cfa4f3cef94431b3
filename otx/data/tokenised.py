"""Tokenise a corpus once, into cached, memory-mapped arrays."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from otx.data.cache import built, refuse_damage
from otx.data.length_order import LengthOrder
from otx.data.subset import blocks
from otx.data.token_rows import PairRowReader, PairRows, PairRowWriter
from otx.data.tokenizer_rules import tokenizer_digest
from otx.files.arrays import ArrayWriter, open_array, release, scan
from otx.files.digests import short_key
from otx.interfaces import Corpus, Encoder
from otx.reporter import Reporter, Silent
from otx.types import Problem, TokenRow

VERSION = 4
"""Raised whenever the same text would be tokenised or stored differently."""

BLOCK = 2_048
"""Pairs in memory at a time."""
_LENGTHS, _COUNTS, _IDS_USED = "lengths.npy", "counts.json", "vocabulary.npy"
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

    def add(self, rows: PairRows, side: int, unknown: int | None) -> None:
        """Count the texts of one side.

        Args:
            rows: The sub-words of both sides.
            side: 0 for the source, 1 for the pivot.
            unknown: The tokenizer's id of the unknown sub-word, if it has one.
        """
        self.subwords += int(rows.sum_by_text(rows.index >= 0)[:, side].sum())
        if unknown is not None:
            self.unknown += int(rows.sum_by_text(rows.ids == unknown)[:, side].sum())
        self.words += int(rows.words[:, side].sum())
        self.cut_sides += int((rows.cut[:, side] > 0).sum())
        self.cut_words += int(rows.cut[:, side].sum())


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
        self._rows = PairRowReader(folder)
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
        return self._rows.rows(np.asarray(indices))

    def drawn_lines(self) -> Iterator[np.ndarray]:
        """Yield the line numbers of pairs with a word on both sides, in blocks."""
        start = 0
        for lines in self._rows.lines():
            lengths = self.lengths[start : start + len(lines)]
            start += len(lines)
            yield lines[(lengths > 0).all(axis=1)]
            release(self.lengths)

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
    corpus: Corpus,
    encoder: Encoder,
    cache: Path,
    *,
    max_length: int | None = None,
    reporter: Reporter | None = None,
) -> TokenisedPairs:
    """Split a corpus into an encoder's sub-words, or take it from the cache.

    The cache is keyed by the digests of the text and the tokenizer, the effective length limit and the encoder's class.

    Args:
        corpus: The pairs.
        encoder: The encoder; its tokenizer must be a fast one, which gives character offsets.
        cache: The cache folder.
        max_length: Longest row in sub-words, special tokens included; the encoder's own ``max_length`` applies where
            it is lower, or where none is given.
        reporter: Receives the speed, if the corpus was not in the cache.

    Returns:
        The rows, memory-mapped.

    Raises:
        UsageError: If the tokenizer is not a fast one.
    """
    kind = f"{type(encoder).__module__}.{type(encoder).__qualname__}"
    limit = encoder.max_length if max_length is None else min(max_length, encoder.max_length)
    key = short_key(VERSION, corpus.fingerprint(), tokenizer_digest(encoder.tokenizer), limit, kind)

    def build(folder: Path) -> None:
        began = time.perf_counter()
        megabytes = _store(folder, corpus, encoder, limit) / 1e6
        seconds = time.perf_counter() - began
        (reporter or Silent()).stage(
            f"Tokenised {len(corpus):,} pairs ({megabytes:.1f} MB) in {seconds:.1f} s: "
            f"{megabytes / seconds:.2f} MB/s"
        )

    return TokenisedPairs(built(cache / "tokenised" / key, build), corpus)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some pairs of a corpus as sub-words, their lines, and the size of their text in bytes."""

    rows: PairRows
    lines: np.ndarray
    size: int


def _store(folder: Path, corpus: Corpus, encoder: Encoder, limit: int) -> int:
    """Write the folder, and return the size of the text in bytes."""
    counts = SideCounts(), SideCounts()
    unknown = encoder.tokenizer.unk_token_id
    is_used = np.zeros(1, dtype=bool)
    size = 0
    with (
        PairRowWriter(folder) as writer,
        ArrayWriter(folder / _LENGTHS, np.int32, width=2) as lengths,
        ArrayWriter(folder / _NOTED, np.int64, width=2) as noted,
    ):
        for block in _ahead(_blocks(corpus, encoder, limit)):
            rows = block.rows
            usable = np.all(rows.sum_by_text(rows.index >= 0) > 0, axis=1)
            cut = rows.cut.sum(axis=1)
            of_note = ~usable | (cut > 0)
            lengths.add(np.where(usable[:, None], rows.sizes, 0))
            noted.add(np.column_stack([block.lines, np.where(usable, cut, -1)])[of_note])
            writer.add(rows, block.lines)
            for side, count in enumerate(counts):
                count.add(rows, side, unknown)
            used = rows.ids[np.repeat(usable, rows.sizes.sum(axis=1))]
            if used.max(initial=-1) >= len(is_used):
                more = int(used.max()) + 1 - len(is_used)
                is_used = np.concatenate((is_used, np.zeros(more, dtype=bool)))
            is_used[used] = True
            size += block.size
    sizes = open_array(folder / _LENGTHS)
    tokens = sum(int(block.sum()) for _, block in scan(sizes, BLOCK))
    LengthOrder.write(sizes, folder)
    np.save(folder / _IDS_USED, np.flatnonzero(is_used))
    sides = [asdict(count) for count in counts]
    (folder / _COUNTS).write_text(json.dumps({"tokens": tokens, "sides": sides}))
    return size


def _blocks(corpus: Corpus, encoder: Encoder, limit: int) -> Iterator[_Block]:
    for pairs in blocks(corpus, BLOCK):
        texts = [text for pair in pairs for text in (pair.source, pair.pivot)]
        rows = encoder.tokenise(texts, pretokenised=corpus.pretokenised, max_length=limit)
        lines = np.array([pair.line for pair in pairs])
        yield _Block(PairRows.of(rows), lines, sum(len(text.encode()) for text in texts))


def _ahead(steps: Iterator[_Block]) -> Iterator[_Block]:
    """Yield blocks while a thread computes the next one."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, steps, None)
        while (block := following.result()) is not None:
            following = thread.submit(next, steps, None)
            yield block
