"""Records on disk, divided by their keys, so that each part fits in memory: how to sort or group more than fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

PART = 2**18
"""Records per part, on average, unless there would be more than ``2**MAX_BITS`` parts."""
MAX_BITS = 8
"""Largest number of leading bits that choose a key's part: every part is an open file, and systems allow 1,024."""


class Partitions:
    """Divides records by the leading bits of their keys into files.

    Records of one key are in one part, and keys of a later part are larger. Keys must be spread evenly, as hashes are.

    Args:
        folder: An existing folder for the files, which ``read`` removes.
        dtype: Type of a record. Its field ``key`` is a 64-bit hash; a type without fields is its own key.
        records: Number of records, roughly.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     partitions = Partitions(Path(folder), np.uint64, records=3)
        ...     partitions.add(np.array([2**63, 5, 2**62], dtype=np.uint64))
        ...     [part.tolist() for part in partitions.read()]
        [[9223372036854775808, 5, 4611686018427387904]]
    """

    def __init__(self, folder: Path, dtype: np.dtype | type[np.generic], records: int) -> None:
        self._dtype = np.dtype(dtype)
        bits = min(((max(1, records) - 1) // PART).bit_length(), MAX_BITS)
        self._shift = np.uint64(64 - bits)
        self._paths = [folder / f"part-{number}" for number in range(2**bits)]
        self._streams = [path.open("wb") for path in self._paths]

    def add(self, records: np.ndarray) -> None:
        """Write records into their parts.

        Args:
            records: The records ``[K]``.
        """
        if len(self._streams) == 1:
            self._streams[0].write(np.ascontiguousarray(records).data)
            return
        keys = records if self._dtype.names is None else records["key"]
        parts = (keys >> self._shift).astype(np.int64)
        records = records[np.argsort(parts, kind="stable")]
        ends = np.cumsum(np.bincount(parts, minlength=len(self._streams)))
        starts = [0, *ends[:-1].tolist()]
        for stream, start, end in zip(self._streams, starts, ends.tolist(), strict=True):
            if end > start:
                stream.write(np.ascontiguousarray(records[start:end]).data)

    def read(self) -> Iterator[np.ndarray]:
        """Yield the records of every part, in the order in which they were added, and remove the files."""
        for stream in self._streams:
            stream.close()
        for path in self._paths:
            yield np.fromfile(path, dtype=self._dtype)
            path.unlink()
