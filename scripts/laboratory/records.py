"""A cell's result: one compressed JSON file, written whole, from which otx's run folders can be made again."""

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
ENDING = ".json.gz"
FAILED = ".failed.json"


def pack_units(run: RunFolder) -> list[dict[str, Any]]:
    """Return every result of a run as JSON values, the scores by column."""
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
    """Return the result and its scores."""
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
    """Write a cell's result whole or not at all; equal records give equal bytes."""
    text = json.dumps({"schema": SCHEMA, **record}, ensure_ascii=False, separators=(",", ":"))
    atomic.write(path, gzip.compress(text.encode(), compresslevel=9, mtime=0))


def read_record(path: Path) -> dict[str, Any]:
    """Return a cell's result. Raises DataError if it cannot be read."""
    try:
        record: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
        schema = record["schema"]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a cell's result: {error}", "remove it") from error
    if schema != SCHEMA:
        raise DataError(f"{path} has schema {schema}, not {SCHEMA}", "remove it")
    return record


def restore_runs(root: Path, records: Iterable[Mapping[str, Any]]) -> list[RunFolder]:
    """Make a run folder of every record in ``root``; records of one untouched encoder share theirs."""
    runs: dict[str, RunFolder] = {}
    for record in records:
        aligned = record["run"]["kind"] == "align"
        name = f"{record['system']}-{record['seed']}" if aligned else record["run"]["name"]
        if name not in runs:
            # Every untouched system is the same encoder, and its row is called so.
            own = {**record["run"], "name": name} | (
                {"system": record["system"]} if aligned else {}
            )
            atomic.write(root / name / RECORD, json.dumps(own).encode())
            runs[name] = RunFolder(root / name)
        for packed in record["units"]:
            write_unit(runs[name], *unpack_unit(packed))
    return list(runs.values())


def thin(rows: Sequence[Any], most: int) -> list[Any]:
    """Return at most ``most`` of the rows, evenly spaced, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / (most - 1))] for place in range(most)]


def _short(value: float) -> float:
    return int(value) if value.is_integer() else value
