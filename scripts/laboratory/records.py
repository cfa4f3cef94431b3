"""The result of a cell: one compressed JSON file, written whole, from which run folders can be restored."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files import atomic
from otx.runs.folder import RunFolder
from otx.runs.record import RECORD
from otx.runs.results import EvalUnit, read_scores, read_units, write_unit
from otx.types import Score

SCHEMA = 1
"""Schema of the files."""
ENDING = ".json.gz"
"""Ending of a result's file."""
FAILED = ".failed.json"
"""Ending of the file that describes a failure."""


def pack_units(run: RunFolder) -> list[dict[str, Any]]:
    """Return every result of a run as JSON values, with the scores by column.

    Args:
        run: The run.
    """
    packed = []
    for unit in read_units(run):
        scores = read_scores(run, unit)
        names = sorted({name for score in scores for name in score.statistics})
        packed.append(
            {
                "unit": asdict(unit),
                "examples": [score.example for score in scores],
                # Most examples are their own cluster.
                "clusters": [s.cluster if s.cluster != s.example else None for s in scores],
                "statistics": {n: [_short(s.statistics[n]) for s in scores] for n in names},
            }
        )
    return packed


def unpack_unit(packed: Mapping[str, Any]) -> tuple[EvalUnit, list[Score]]:
    """Return a result and its scores.

    Args:
        packed: One item of ``pack_units``.
    """
    columns = packed["statistics"]
    scores = [
        Score(
            example,
            example if cluster is None else cluster,
            {name: float(column[row]) for name, column in columns.items()},
        )
        for row, (example, cluster) in enumerate(
            zip(packed["examples"], packed["clusters"], strict=True)
        )
    ]
    return EvalUnit(**packed["unit"]), scores


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write the result of a cell, complete or not at all.

    Equal records give equal bytes.

    Args:
        path: The file.
        record: The result.
    """
    text = json.dumps({"schema": SCHEMA, **record}, ensure_ascii=False, separators=(",", ":"))
    atomic.write(path, gzip.compress(text.encode(), compresslevel=9, mtime=0))


def read_record(path: Path) -> dict[str, Any]:
    """Read the result of a cell.

    Args:
        path: The file.

    Raises:
        DataError: If the file cannot be read or has another schema.
    """
    try:
        record: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
        schema = record["schema"]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a cell's result: {error}", "remove it") from error
    if schema != SCHEMA:
        raise DataError(f"{path} has schema {schema}, not {SCHEMA}", "remove it")
    return record


def restore_runs(root: Path, records: Iterable[Mapping[str, Any]]) -> list[RunFolder]:
    """Restore run folders from the results of cells.

    Args:
        root: Folder to write the runs into.
        records: Results of cells. Those of one untouched encoder share a run folder.

    Returns:
        The runs.
    """
    runs: dict[str, RunFolder] = {}
    for record in records:
        aligned = record["run"]["kind"] == "align"
        name = f"{record['system']}-{record['seed']}" if aligned else record["run"]["name"]
        if name not in runs:
            # Every untouched system is the same encoder and keeps its common label.
            label = {"system": record["system"]} if aligned else {}
            restored = {**record["run"], "name": name, **label}
            atomic.write(root / name / RECORD, json.dumps(restored).encode())
            runs[name] = RunFolder(root / name)
        for packed in record["units"]:
            write_unit(runs[name], *unpack_unit(packed))
    return list(runs.values())


def thin(rows: Sequence[Any], most: int) -> list[Any]:
    """Return evenly spaced rows, including the first and the last.

    Args:
        rows: The rows.
        most: Maximum number of rows to return.

    Example:
        >>> thin([0, 1, 2, 3, 4, 5, 6], 3)
        [0, 3, 6]
    """
    if len(rows) <= most:
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / (most - 1))] for place in range(most)]


def _short(value: float) -> float:
    return int(value) if value.is_integer() else value
