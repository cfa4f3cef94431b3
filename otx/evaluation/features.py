"""A task's features: examples cut into sub-words once, kept under their content in a memory-mapped file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa

from otx.config.roles import keyed_options
from otx.data.arrow import open_arrow, write_arrow
from otx.data.cache import built
from otx.data.tokenizer_rules import tokenizer_digest
from otx.files.digests import short_key
from otx.files.example_digest import digest
from otx.interfaces import Encoder, TransferTask
from otx.types import Example

VERSION = 1
"""Changes whenever the same features would be stored differently."""
AT_ONCE = 512
"""Examples that are cut together, and so in memory as features."""
ROWS, LENGTHS, LEARNABLE, COLUMNS = "rows.arrow", "lengths.npy", "learnable.npy", "columns.json"


class Features:
    """Feature i as the task made it, read from disk when it is asked for.

    ``lengths [N]`` in sub-words; ``learnable [N]``, whether it has a label.
    """

    def __init__(self, folder: Path, kind: type[Any]) -> None:
        self.lengths: np.ndarray = np.load(folder / LENGTHS, mmap_mode="r")
        self.learnable: np.ndarray = np.load(folder / LEARNABLE, mmap_mode="r")
        self._kind, self._hints = kind, get_type_hints(kind)
        self._columns: dict[str, Any] = json.loads((folder / COLUMNS).read_text())
        self._rows = open_arrow(folder / ROWS) if self._columns else None

    def __len__(self) -> int:
        """How many there are: of one example there may be several."""
        return len(self.lengths)

    def take(self, indices: Sequence[int] | np.ndarray) -> list[Any]:
        """The features at ``indices``, in their order."""
        if self._rows is None or not len(indices):
            return []
        found = self._rows[np.asarray(indices)]
        columns = [self._read(name, found[name]) for name in self._columns]
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


def cut(task: TransferTask, encoder: Encoder, examples: Sequence[Example], cache: Path) -> Features:
    """The features of the examples, made unless ``cache`` has them.

    Kept under what they depend on: the examples, the tokenizer and its length limit, the task's version and those of
    its options that are not about optimisation. Memory holds the features of a few examples only.
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
    made = _made(task, encoder, examples)
    first = next(made, None)
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
                feature = next(made, None)

        write_arrow(folder / ROWS, pa.schema(kinds), rows())
    np.save(folder / LENGTHS, np.array(lengths, np.int32))
    np.save(folder / LEARNABLE, np.array(learnable, np.bool_))
    (folder / COLUMNS).write_text(json.dumps(columns))


def _made(task: TransferTask, encoder: Encoder, examples: Sequence[Example]) -> Iterator[Any]:
    for start in range(0, len(examples), AT_ONCE):
        yield from task.features(encoder, examples[start : start + AT_ONCE])


def _column(value: Any) -> dict[str, Any] | None:
    """How a field is stored: an array as its bytes, anything else (None) as JSON."""
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
    """What JSON made of a value, as the field's type has it."""
    for kind in (hint, *get_args(hint)):
        if isinstance(value, dict) and isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind(**value)
        if isinstance(value, list) and get_origin(kind) is tuple:
            return tuple(value)
    return value
