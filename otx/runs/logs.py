"""The line-by-line files of a run: ``metrics.jsonl``, one row per step, and ``problems.jsonl``, the refused lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files import atomic
from otx.files.reading import parse_json, read_bytes
from otx.files.shapes import check_shape
from otx.runs.shapes import PROBLEM_SHAPE, ROW_SHAPE
from otx.types import Problem

METRICS, PROBLEMS = "metrics.jsonl", "problems.jsonl"
"""Names of the two files in a run folder."""


def append_metrics(file: Path, row: Mapping[str, float], *, synced: bool = False) -> None:
    """Add one row to a file of metrics; NaN and infinity are written as such.

    Args:
        file: The file, which is created if it does not exist.
        row: The numbers of a step by name.
        synced: Wait until the disk has the file: a checkpoint of this step must not outlive its row.
    """
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(dict(row)) + "\n")
        if synced:
            stream.flush()
            os.fsync(stream.fileno())


def read_metrics(file: Path) -> list[dict[str, float]]:
    """Read every row of a file of metrics.

    The torn last line of a killed process is left out.

    Args:
        file: The file. One that does not exist has no rows.

    Raises:
        DataError: If a row is damaged, naming the first one.
    """
    return _read_rows(file, ROW_SHAPE, "restore the file from a copy, or start a new run")


def rewind_metrics(file: Path, step: int) -> None:
    """Drop the rows after ``step``: a resumed run writes them again.

    Args:
        file: The file of metrics.
        step: The last step whose row is kept.

    Raises:
        DataError: If a row is damaged, or the rows up to ``step`` are not complete and in order.
    """
    kept = [row for row in read_metrics(file) if row["step"] <= step]
    whole = next((n for n, row in enumerate(kept) if row["step"] != n + 1), len(kept))
    if (whole, len(kept)) != (step, step):
        raise DataError(
            f"{file}: the row of step {whole + 1} is missing or out of order, "
            f"and the newest checkpoint is of step {step}",
            f"restore the file from a copy, or move the checkpoints later than step {whole} away",
        )
    lines = "".join(json.dumps(row) + "\n" for row in kept)
    atomic.write(file, lines.encode())


def append_problems(file: Path, problems: Iterable[Problem]) -> None:
    """Add refused lines to a file of problems.

    Args:
        file: The file, which is created if it does not exist.
        problems: The refused lines.
    """
    with file.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(asdict(p), ensure_ascii=False) + "\n" for p in problems)


def read_problems(file: Path) -> list[Problem]:
    """Read every line of a file of problems.

    Args:
        file: The file. One that does not exist has no problems.

    Raises:
        DataError: If a line is damaged, naming the first one.
    """
    known = {field.name for field in fields(Problem)}
    rows = _read_rows(file, PROBLEM_SHAPE, "remove the line")
    return [Problem(**{name: row[name] for name in known & row.keys()}) for row in rows]


def _read_rows(file: Path, shape: Mapping[str, Any], remedy: str) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file, which must have this shape, without an unfinished last line."""
    if not file.exists():
        return []
    *lines, _torn = read_bytes(file).split(b"\n")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        place = f"{file}:{number} is damaged"
        try:
            rows.append(parse_json(line, place))
            check_shape(rows[-1], shape, place)
        except DataError as error:
            raise DataError(error.message, remedy) from error
    return rows
