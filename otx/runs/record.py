"""The record of a run, ``run.json``: its shape, how it is read and written, and what to do about a damaged one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files import atomic
from otx.files.reading import read_object
from otx.files.shapes import COUNT, check_shape
from otx.printable import quote
from otx.runs.record_migration import SCHEMA, migrate_record
from otx.runs.shapes import RECORD_SHAPE

RECORD = "run.json"
"""Name of the record in a run folder."""
STATUSES = ("created", "running", "finished", "failed", "interrupted")
WORK = ("checkpoints", "model", "heads", "eval")
"""Folders in a run folder that hold computed work."""


def new_record(
    name: str, kind: str, status: str, settings: Mapping[str, Any], **fields: Any
) -> dict[str, Any]:
    """Return the first record of a run, created now.

    Args:
        name: Name of the run's folder.
        kind: "align" or "untouched".
        status: One of ``STATUSES``.
        settings: The effective settings by table.
        **fields: Further fields of the record.

    Returns:
        The record in the present schema.
    """
    return {
        "schema": SCHEMA,
        "name": name,
        "kind": kind,
        "status": status,
        "created": datetime.now(UTC).isoformat(),
        "settings": dict(settings),
        "observer_failures": [],
        **fields,
    }


def read_record(path: Path) -> dict[str, Any]:
    """Read the record in a run folder.

    Args:
        path: The run folder.

    Returns:
        The record in the present schema, checked.

    Raises:
        DataError: If the folder has no record, a damaged one, or one of a schema that this otx does not know.
    """
    file = path / RECORD
    if not file.exists():
        raise DataError(f"{path} is not a run: it has no {RECORD}", recovery_hint(path))
    try:
        record = read_object(file)
        check_shape(record, {"schema": COUNT}, RECORD)
        record = migrate_record(record)
        if record["schema"] == SCHEMA:
            check_shape(record, RECORD_SHAPE, RECORD)
            if record["status"] not in STATUSES:
                raise DataError(f"{RECORD}: 'status' is {quote(record['status'])}")
    except DataError as error:
        raise DataError(
            f"{file} is not a run's record: {error.message}", recovery_hint(path)
        ) from error
    if record["schema"] != SCHEMA:
        raise DataError(
            f"{file} has schema {record['schema']}, and this otx reads {SCHEMA}",
            "use the otx that made the run, or update otx",
        )
    return record


def read_begun_record(path: Path) -> dict[str, Any]:
    """Read the record of a run, and refuse an alignment that never began.

    Args:
        path: The run folder.

    Returns:
        The record, as ``read_record`` returns it.

    Raises:
        DataError: As ``read_record``, or if the run was stopped before its first step was prepared.
    """
    record = read_record(path)
    is_new_alignment = record["kind"] == "align" and record["status"] == "created"
    if is_new_alignment and "model_digest_before" not in record:
        raise DataError(f"run {path.name} was stopped before it began", recovery_hint(path))
    return record


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a run folder, whole or not at all.

    Args:
        path: The run folder, which is created if it does not exist.
        record: The record.
    """
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    atomic.write(path / RECORD, text.encode())


def recovery_hint(path: Path) -> str:
    """Return what to do about a folder without a usable record.

    The advice never gives up computed work.

    Args:
        path: The run folder.
    """
    work = [name for name in WORK if (path / name).is_dir() and any((path / name).iterdir())]
    if work:
        return f"restore {RECORD} from a copy; keep the folder, which holds {', '.join(work)}"
    return f"remove {path}, which holds no checkpoint and no result, and start again"
