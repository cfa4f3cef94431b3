"""Arrays on disk that are written piece by piece and read without loading them: plain ``.npy`` files."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np


class ArrayWriter:
    """Appends rows to a ``.npy`` file whose length is known when it is closed.

    Args:
        path: The file.
        dtype: Type of the numbers.
        width: Numbers per row; None for an array of one dimension.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with ArrayWriter(Path(folder) / "x.npy", np.int32, width=2) as rows:
        ...         rows.add(np.array([[1, 2], [3, 4]]))
        ...     open_array(Path(folder) / "x.npy").tolist()
        [[1, 2], [3, 4]]
    """

    def __init__(self, path: Path, dtype: type[np.generic], width: int | None = None) -> None:
        self._dtype, self._tail = np.dtype(dtype), () if width is None else (width,)
        self._rows = 0
        self._stream = path.open("wb")
        self._write_header()

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stream:
            self._stream.seek(0)
            self._write_header()

    def add(self, rows: np.ndarray) -> None:
        """Append rows.

        Args:
            rows: The rows ``[K]`` or ``[K, width]``.
        """
        self._stream.write(np.ascontiguousarray(rows, dtype=self._dtype).data)
        self._rows += len(rows)

    def _write_header(self) -> None:
        # Numpy leaves room in the header for the first length to grow, so that it keeps its size.
        _write_header(self._stream, self._dtype, (self._rows, *self._tail))


def create_array(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """Write an array of zeros into a ``.npy`` file, and return it mapped: what is assigned to it is in the file.

    Args:
        path: The file.
        dtype: Type of the numbers.
        shape: Shape of the array.

    Raises:
        OSError: If the disk has no space for the whole array.
    """
    with path.open("wb") as stream:
        _write_header(stream, np.dtype(dtype), shape)
        stream.flush()
        reserve(stream, stream.tell() + math.prod(shape) * np.dtype(dtype).itemsize)
    array: np.ndarray = np.asarray(np.load(path, mmap_mode="r+"))
    return array


def reserve(stream: IO[bytes], size: int) -> None:
    """Extend a file with zeros that take their space on the disk at once, where the system can do that.

    If a mapped file has holes, the system kills the process that writes into one when the disk is full.

    Args:
        stream: The file.
        size: Its new size in bytes, at least 1.

    Raises:
        OSError: If the disk has no space for it.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(stream.fileno(), 0, size)
    else:
        os.ftruncate(stream.fileno(), size)


def _write_header(stream: IO[bytes], dtype: np.dtype, shape: tuple[int, ...]) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(stream, header)


def open_array(path: Path) -> np.ndarray:
    """Return the array of a ``.npy`` file; its pages are read from the file when they are used.

    Args:
        path: The file.
    """
    array: np.ndarray = np.asarray(np.load(path, mmap_mode="r"))
    return array


def scan(array: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an array in blocks, each with the number of its first row, and release the pages behind it.

    Args:
        array: The array; may be mapped.
        size: Rows per block.
    """
    for start in range(0, len(array), size):
        yield start, array[start : start + size]
        release(array)


def release(*arrays: np.ndarray | mmap.mmap) -> None:
    """Give back the memory of mapped arrays' pages, which are read from the file again if they are needed.

    The kernel does so by itself when memory is short. Until then, every page that a pass over a large array touched
    counts as memory of this process.

    Args:
        *arrays: The arrays, or their files' pages; nothing happens to arrays that are not mapped.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    for array in arrays:
        owner: object = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if isinstance(owner, mmap.mmap):
            owner.madvise(mmap.MADV_DONTNEED)
