"""Reading whole files that may be damaged or hostile: bounded in size, plain or gz, text or JSON.

Bitext, which may be larger than memory, is read line by line in ``otx.data.lines``.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.printable import quote

MAX_BYTES = 2**29
"""Largest file that is read into memory, unpacked: 512 MiB. SQuAD's and MNLI's training files have 30 and 75 MB."""
MAX_LINE = 2**24
"""Longest line of such a file in characters: 16 Mi."""


def find_plain_or_gz(path: Path) -> Path | None:
    """Return a file, or its packed form ``PATH.gz`` if only that exists.

    Args:
        path: The file, without ``.gz``.

    Returns:
        The file to read; None if there is neither. The plain file goes first.
    """
    packed = path.with_name(f"{path.name}.gz")
    return path if path.is_file() else packed if packed.is_file() else None


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedReader[Any]]:
    """Open a file to read its bytes, unpacked if its name ends in ``.gz``.

    Raises:
        DataError: If it cannot be opened, or, within, read or unpacked.
    """
    try:
        with (
            io.BufferedReader(gzip.open(path))
            if path.suffix == ".gz"
            else path.open("rb") as stream
        ):
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read: {reason}") from error


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Read a file, unpacked if its name ends in ``.gz``.

    Args:
        path: The file.
        limit: Largest number of bytes, unpacked.

    Returns:
        Its bytes.

    Raises:
        DataError: If it does not exist, cannot be read or unpacked, or is larger than ``limit``.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    with open_bytes(path) as stream:
        # A sparse or packed file of many gigabytes costs no more than the limit.
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise DataError(
            f"{path}: more than {limit / 2**20:,.0f} MiB", "give a smaller file, or split it"
        )
    return content


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a UTF-8 file, plain or gz, without its byte-order mark.

    Raises:
        DataError: As ``read_bytes``, or, naming the line, if the file is not UTF-8.
    """
    raw = read_bytes(path, limit)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8", "convert the file to UTF-8") from error


def read_lines(path: Path, limit: int = MAX_BYTES) -> list[str]:
    """Read the lines of a UTF-8 file, split at line feeds only: other Unicode separators are text.

    Raises:
        DataError: As ``read_text``, or if a line is longer than ``MAX_LINE`` characters.
    """
    lines = read_text(path, limit).split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            raise DataError(f"{path}:{number}: a line of {len(line):,} characters")
    return [line.removesuffix("\r") for line in lines]


def parse_json(text: str | bytes, place: str) -> Any:
    """Parse JSON from a file.

    Args:
        text: The JSON.
        place: The file, or file and line, for messages.

    Returns:
        The value.

    Raises:
        DataError: If it is not JSON, is nested too deeply, or has a number of too many digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if error.lineno > 1 else ""
        raise DataError(f"{place}: not JSON: {error.msg}{line}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not JSON: not UTF-8") from error
    except RecursionError as error:
        raise DataError(f"{place}: not read: JSON nested too deeply") from error
    except ValueError as error:
        # The only other one: Python refuses integers of more than 4,300 digits.
        raise DataError(f"{place}: not read: a number of too many digits") from error


def read_json(path: Path, limit: int = MAX_BYTES) -> Any:
    """Read a JSON file.

    Raises:
        DataError: As ``read_bytes`` and ``parse_json``.
    """
    return parse_json(read_bytes(path, limit), str(path))


def read_object(path: Path, limit: int = MAX_BYTES) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        DataError: As ``read_json``, or if the value is not an object.
    """
    value = read_json(path, limit)
    if not isinstance(value, dict):
        raise DataError(f"{path}: not a JSON object but {quote(json.dumps(value))}")
    return value
