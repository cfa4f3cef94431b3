"""Arrays that are computed from corpora once: cached on disk and mapped into memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otx.data.cache import built, cache_folder
from otx.files.arrays import open_array
from otx.files.reading import read_object

FEW = 10_000
"""Corpora of up to so many pairs are computed anew at each start, which takes a fifth of a second, and not cached."""
_RECORD = "record.json"


@dataclass(frozen=True, slots=True)
class Derived:
    """Arrays by name, and numbers that belong to them.

    Attributes:
        arrays: The arrays. Those of large corpora are mapped: their pages are read from the cache when they are used.
        record: The numbers, as JSON values.
    """

    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, Any]


def derive(name: str, key: str, pairs: int, build: Callable[[Path], Mapping[str, Any]]) -> Derived:
    """Return the arrays that ``build`` writes, from the cache if they are there.

    Args:
        name: Folder of the cache for arrays of this kind.
        key: Key of everything that the arrays depend on.
        pairs: Number of pairs that they are computed from.
        build: Writes ``.npy`` files into the empty folder that it receives, and returns the record.

    Returns:
        The arrays, by the names of their files without ending, and the record.
    """

    def write(folder: Path) -> None:
        (folder / _RECORD).write_text(json.dumps(build(folder)))

    if pairs > FEW:
        folder = built(cache_folder() / name / key, write)
        arrays = {path.stem: open_array(path) for path in folder.glob("*.npy")}
        return Derived(arrays, read_object(folder / _RECORD))
    with tempfile.TemporaryDirectory(prefix="otx-") as work:
        folder = Path(work)
        write(folder)
        arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
        return Derived(arrays, read_object(folder / _RECORD))
