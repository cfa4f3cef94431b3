"""Sub-words of sentence pairs as flat arrays on disk, from which the rows of a batch are slices.

The sub-words of a pair are adjacent: source, then pivot. Compared with lists in an Arrow file, writing takes a tenth of
the time, and reading a batch a sixth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType

import numpy as np

from otx.files.arrays import ArrayWriter, open_array, release, scan
from otx.types import TokenRow

BLOCK = 2**20
"""Line numbers in memory at a time."""
_FILES: dict[str, tuple[type[np.generic], int | None]] = {
    "ids": (np.int32, None),
    "index": (np.int32, None),
    "ends": (np.int64, 2),
    "words": (np.int32, 2),
    "cut": (np.int32, 2),
    "lines": (np.int64, None),
}


@dataclass(frozen=True, slots=True, eq=False)
class PairRows:
    """The sub-words of both sides of N pairs.

    Attributes:
        ids: Sub-word ids ``[K]``, for each pair those of the source and then those of the pivot.
        index: Word of each sub-word ``[K]``; -1 for a special token.
        sizes: Number of sub-words of source and pivot ``[N, 2]``, special tokens included.
        words: Number of words of each ``[N, 2]``.
        cut: Number of words that each lost to the length limit ``[N, 2]``.
    """

    ids: np.ndarray
    index: np.ndarray
    sizes: np.ndarray
    words: np.ndarray
    cut: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[TokenRow]) -> PairRows:
        """Make flat arrays of rows.

        Args:
            rows: Source and pivot of each pair, in turns.
        """
        sizes = _numbers((len(row.ids) for row in rows), len(rows))
        count = int(sizes.sum())
        return cls(
            ids=_numbers(chain.from_iterable(row.ids for row in rows), count),
            index=_numbers(chain.from_iterable(row.word_index for row in rows), count),
            sizes=sizes.reshape(-1, 2),
            words=_numbers((row.words for row in rows), len(rows)).reshape(-1, 2),
            cut=_numbers((row.cut for row in rows), len(rows)).reshape(-1, 2),
        )

    def sum_by_text(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over the sub-words of each text ``[N, 2]``.

        Args:
            values: A number for each sub-word ``[K]``.
        """
        totals = np.concatenate([[0], np.cumsum(values)])
        ends = np.cumsum(self.sizes)
        sums: np.ndarray = (totals[ends] - totals[ends - self.sizes.ravel()]).reshape(-1, 2)
        return sums


class PairRowWriter:
    """Writes the sub-words of pairs into a folder, block by block.

    Args:
        folder: An existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self._stack, self._end = ExitStack(), 0
        self._files = {
            name: self._stack.enter_context(ArrayWriter(folder / f"{name}.npy", dtype, width))
            for name, (dtype, width) in _FILES.items()
        }

    def __enter__(self) -> PairRowWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, rows: PairRows, lines: np.ndarray) -> None:
        """Append pairs.

        Args:
            rows: Their sub-words.
            lines: Their line numbers ``[N]``.
        """
        ends = self._end + np.cumsum(rows.sizes).reshape(-1, 2)
        self._end += len(rows.ids)
        columns = {"ids": rows.ids, "index": rows.index, "ends": ends, "lines": lines}
        for name, values in {**columns, "words": rows.words, "cut": rows.cut}.items():
            self._files[name].add(values)


class PairRowReader:
    """The sub-words of pairs in a folder that ``PairRowWriter`` has filled.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {name: open_array(folder / f"{name}.npy") for name in _FILES}

    def rows(self, pairs: np.ndarray) -> tuple[list[TokenRow], list[TokenRow], list[int]]:
        """Return the rows of some pairs.

        Args:
            pairs: Numbers of the pairs ``[K]``.

        Returns:
            Source rows, pivot rows and line numbers, in the order of ``pairs``.
        """
        files = self._files
        starts = np.where(pairs > 0, files["ends"][pairs - 1, 1], 0)
        bounds = np.column_stack([starts, files["ends"][pairs]]).tolist()
        words, cut = files["words"][pairs].tolist(), files["cut"][pairs].tolist()
        sides: tuple[list[TokenRow], list[TokenRow]] = ([], [])
        for (start, middle, end), sizes, lost in zip(bounds, words, cut, strict=True):
            ids, index = files["ids"][start:end].tolist(), files["index"][start:end].tolist()
            middle -= start
            sides[0].append(TokenRow(ids[:middle], index[:middle], sizes[0], lost[0]))
            sides[1].append(TokenRow(ids[middle:], index[middle:], sizes[1], lost[1]))
        lines = files["lines"][pairs].tolist()
        release(*files.values())
        return *sides, lines

    def lines(self) -> Iterator[np.ndarray]:
        """Yield the line numbers of all pairs, in blocks."""
        for _, lines in scan(self._files["lines"], BLOCK):
            yield lines


def _numbers(values: Iterable[int], count: int) -> np.ndarray:
    return np.fromiter(values, dtype=np.int64, count=count)
