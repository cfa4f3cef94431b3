"""Stream rows into an Arrow file, and map it into memory with ``datasets``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from datasets import Dataset

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


def open_arrow(path: Path) -> Dataset:
    """Open an Arrow file as a memory-mapped data set.

    Args:
        path: A file that ``write_arrow`` wrote.

    Returns:
        The data set.
    """
    # datasets imports pandas, which takes a second; probes of plain files do not need it.
    from datasets import Dataset

    return Dataset.from_file(str(path))


def _blocks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while block := list(islice(rows, BLOCK)):
        yield block
