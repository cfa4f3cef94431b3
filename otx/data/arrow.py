"""Stream rows into an Arrow file, and read rows of it without loading it."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from otx.files.arrays import release

BLOCK = 1_000
"""Rows in memory at a time."""
BATCH_BYTES = 2**23
"""Minimum size of a record batch in a file, apart from the last: 8 MiB."""


def write_arrow(path: Path, schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows to an Arrow file, with no more than a block of them as Python objects in memory.

    Opening a file takes a page and an object per record batch, so blocks are written together in larger batches.

    Args:
        path: The file.
        schema: Names and types of the columns.
        rows: Tuples in the schema's order.
    """
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        waiting: list[pa.RecordBatch] = []
        for block in _blocks(iter(rows)):
            columns = zip(zip(*block, strict=True), schema.types, strict=True)
            arrays = [pa.array(values, type=kind) for values, kind in columns]
            waiting.append(pa.record_batch(arrays, schema=schema))
            if sum(batch.nbytes for batch in waiting) >= BATCH_BYTES:
                writer.write_table(pa.Table.from_batches(waiting).combine_chunks())
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting).combine_chunks())


class ArrowRows:
    """The rows of an Arrow file, mapped into memory: their pages are read when they are used.

    Args:
        path: A file that ``write_arrow`` wrote.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_stream(pa.py_buffer(self._pages))
        self._names = reader.schema.names
        self._batches = list(reader)
        sizes = [batch.num_rows for batch in self._batches]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a row by its number, from 0 or, if negative, from the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return {name: cells[0] for name, cells in self.take(np.array([index % len(self)])).items()}

    def take(self, indices: np.ndarray) -> dict[str, list[Any]]:
        """Return some rows, and give back the file's pages that hold them, as ``otx.files.arrays.release``.

        Args:
            indices: Their numbers ``[K]``, in any order.

        Returns:
            The K cells of each column.
        """
        order = np.argsort(indices, kind="stable")
        ascending = np.asarray(indices)[order]
        parts: dict[str, list[Any]] = {name: [] for name in self._names}
        numbers, firsts = np.unique(
            np.searchsorted(self._starts, ascending, side="right") - 1, return_index=True
        )
        ends = np.append(firsts, len(ascending))[1:]
        for number, first, end in zip(
            *map(np.ndarray.tolist, (numbers, firsts, ends)), strict=True
        ):
            batch = self._batches[number]
            local = ascending[first:end] - self._starts[number]
            # A slice copies nothing.
            if local[-1] - local[0] == end - first - 1 and (np.diff(local) == 1).all():
                rows = batch.slice(int(local[0]), end - first)
            else:
                rows = batch.take(pa.array(local))
            for name, cells in rows.to_pydict().items():
                parts[name] += cells
            # A row brings in the pages around it, so that many rows are most of the file.
            release(self._pages)
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        chosen = places.tolist()
        return {name: [cells[place] for place in chosen] for name, cells in parts.items()}


def _blocks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while block := list(islice(rows, BLOCK)):
        yield block
