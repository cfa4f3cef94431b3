"""Build a task's features once and keep them by content in a memory-mapped file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa

from otx.config.roles import keyed_options
from otx.data.arrow import ArrowRows, write_arrow
from otx.data.cache import built
from otx.data.tokenizer_rules import tokenizer_digest
from otx.files.digests import short_key
from otx.files.example_digest import digest
from otx.interfaces import Encoder, TransferTask
from otx.types import Example

VERSION = 1
"""Raised whenever the same features would be stored differently."""
AT_ONCE = 512
"""Number of examples whose features are built together, and so in memory."""
ROWS, LENGTHS, LEARNABLE, COLUMNS = "rows.arrow", "lengths.npy", "learnable.npy", "columns.json"


class Features:
    """The features of a task's examples, each read from disk on request.

    Args:
        folder: Folder of the stored features.
        kind: Class of the features.

    Attributes:
        lengths: Number of sub-words of each feature ``[N]``.
        learnable: True for each feature ``[N]`` that has a label.
    """

    def __init__(self, folder: Path, kind: type[Any]) -> None:
        self.lengths: np.ndarray = np.load(folder / LENGTHS, mmap_mode="r")
        self.learnable: np.ndarray = np.load(folder / LEARNABLE, mmap_mode="r")
        self._kind, self._hints = kind, get_type_hints(kind)
        self._columns: dict[str, Any] = json.loads((folder / COLUMNS).read_text())
        self._rows = ArrowRows(folder / ROWS) if self._columns else None

    def __len__(self) -> int:
        """Return the number of features; an example may have several."""
        return len(self.lengths)

    def take(self, indices: Sequence[int] | np.ndarray) -> list[Any]:
        """Return the features at some indices, in their order.

        Args:
            indices: Numbers of features, from 0.
        """
        if self._rows is None or not len(indices):
            return []
        rows = self._rows.take(np.asarray(indices))
        columns = [self._read(name, rows[name]) for name in self._columns]
        return [
            self._kind(**dict(zip(self._columns, row, strict=True)))
            for row in zip(*columns, strict=True)
        ]

    def _read(self, name: str, cells: Sequence[Any]) -> list[Any]:
        stored = self._columns[name]
        if stored is not None:
            kind, trailing = np.dtype(stored["dtype"]), stored["trailing"]
            return [np.frombuffer(cell, kind).reshape(-1, *trailing) for cell in cells]
        return [_as(self._hints[name], json.loads(cell)) for cell in cells]


def build_features(
    task: TransferTask, encoder: Encoder, examples: Sequence[Example], cache: Path
) -> Features:
    """Return the features of examples, built unless the cache has them.

    They are kept under everything they depend on: the examples, the tokenizer and its length limit, the task's version
    and its options except paths and those about optimisation. Only a few examples' features are in memory at once.

    Args:
        task: The task.
        encoder: The encoder.
        examples: The examples.
        cache: Folder of cached data.

    Returns:
        The features, in the order of the examples.
    """
    key = short_key(
        VERSION,
        task.info.name,
        task.info.version,
        keyed_options(task.options, leave_out=("path", "optimisation")),
        digest(examples),
        tokenizer_digest(encoder.tokenizer),
        encoder.max_length,
        f"{type(encoder).__module__}.{type(encoder).__qualname__}",
    )
    folder = built(cache / "features" / key, lambda fresh: _store(fresh, task, encoder, examples))
    return Features(folder, task.feature)


def _store(folder: Path, task: TransferTask, encoder: Encoder, examples: Sequence[Example]) -> None:
    built_features = _built(task, encoder, examples)
    first = next(built_features, None)
    lengths: list[int] = []
    learnable: list[bool] = []
    columns: dict[str, Any] = {}
    if first is not None:
        names = [field.name for field in dataclasses.fields(first)]
        columns = {name: _column(getattr(first, name)) for name in names}
        kinds = [(n, pa.string() if c is None else pa.binary()) for n, c in columns.items()]

        def rows() -> Iterator[tuple[Any, ...]]:
            feature = first
            while feature is not None:
                lengths.append(feature.length)
                learnable.append(feature.label is not None)
                yield tuple(_written(getattr(feature, name)) for name in names)
                feature = next(built_features, None)

        write_arrow(folder / ROWS, pa.schema(kinds), rows())
    np.save(folder / LENGTHS, np.array(lengths, np.int32))
    np.save(folder / LEARNABLE, np.array(learnable, np.bool_))
    (folder / COLUMNS).write_text(json.dumps(columns))


def _built(task: TransferTask, encoder: Encoder, examples: Sequence[Example]) -> Iterator[Any]:
    for start in range(0, len(examples), AT_ONCE):
        yield from task.features(encoder, examples[start : start + AT_ONCE])


def _column(value: Any) -> dict[str, Any] | None:
    """Return how a field is stored: an array as its bytes, anything else (None) as JSON."""
    if not isinstance(value, np.ndarray):
        return None
    return {"dtype": value.dtype.str, "trailing": list(value.shape[1:])}


def _written(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return json.dumps(value, ensure_ascii=False)


def _as(hint: Any, value: Any) -> Any:
    """Convert a value read from JSON to the field's type."""
    for kind in (hint, *get_args(hint)):
        if isinstance(value, dict) and isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind(**value)
        if isinstance(value, list) and get_origin(kind) is tuple:
            return tuple(value)
    return value
