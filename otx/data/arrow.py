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


def write_arrow(path: Path, schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows to an Arrow file, with no more than a block of them in memory.

    Args:
        path: The file.
        schema: Names and types of the columns.
        rows: Tuples in the schema's order.
    """
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for block in _blocks(iter(rows)):
            columns = zip(zip(*block, strict=True), schema.types, strict=True)
            arrays = [pa.array(values, type=kind) for values, kind in columns]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


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
