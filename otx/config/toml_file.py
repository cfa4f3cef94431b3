"""Reading and editing otx.toml and recipes: values by dotted key, each with the number of its line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from otx.errors import DataError, UsageError
from otx.files import atomic
from otx.files.reading import read_text

NAME = "otx.toml"
MAX_BYTES = 2**20
"""Maximum size of a file of settings: 1 MiB."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*([\w\s."'-]+?)\s*=""")


def find_file(start: Path) -> Path | None:
    """Return the otx.toml in ``start`` or in the nearest folder above it; None if there is none.

    Args:
        start: Folder where the search begins.
    """
    for folder in (start, *start.resolve().parents):
        if (folder / NAME).is_file():
            return folder / NAME
    return None


def read_file(path: Path) -> Iterator[tuple[str, Any, str]]:
    """Yield every (dotted key, value, ``path:line``) of a TOML file.

    A value inside a table in a table has a key of three parts.

    Args:
        path: The file.

    Raises:
        UsageError: If the file cannot be read or is not TOML.
    """
    # Imported here, because a command without a file of settings need not wait for it.
    import tomli

    shown = os.path.relpath(path)
    try:
        text = read_settings_text(path)
        document = tomli.loads(text)
    except RecursionError as error:
        raise UsageError(
            f"{shown} cannot be read: nested too deeply", "correct the file"
        ) from error
    # No TOML, or an integer of more digits than Python reads.
    except ValueError as error:
        known = isinstance(error, tomli.TOMLDecodeError)
        reason = str(error) if known else "a number of too many digits"
        raise UsageError(f"{shown} cannot be read: {reason}", "correct the file") from error
    lines = _lines(text)
    for dotted, value in _leaves(document):
        line = lines.get(dotted)
        yield dotted, value, shown if line is None else f"{shown}:{line}"


def parse_value(text: str) -> Any:
    """Return a value as TOML would read it, or else the text itself.

    Args:
        text: The text after ``=``.

    Example:
        >>> [parse_value(text) for text in ("0.1", "true", '["a", "b"]', "cosine")]
        [0.1, True, ['a', 'b'], 'cosine']
    """
    import tomli

    try:
        return tomli.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, RecursionError):
        return text


def read_settings_text(path: Path) -> str:
    """Return the text of a file of settings.

    Args:
        path: The file.

    Raises:
        UsageError: If the file cannot be read, is not UTF-8 or is larger than ``MAX_BYTES``.
    """
    try:
        return read_text(path, MAX_BYTES)
    except DataError as error:
        raise UsageError(
            f"{os.path.relpath(path)} cannot be read: {error.message}", error.remedy
        ) from error


def edit_list(table: str, key: str, values: Sequence[str]) -> Path:
    """Set a list of texts in the nearest otx.toml, or in a new one here, and keep everything else in the file.

    Args:
        table: Name of the table.
        key: Name of the setting.
        values: The list.

    Returns:
        The file that was written.
    """
    import tomlkit

    path = find_file(Path.cwd()) or Path.cwd() / NAME
    document = tomlkit.parse(read_settings_text(path)) if path.exists() else tomlkit.document()
    document.setdefault(table, tomlkit.table())[key] = list(values)
    atomic.write(path, tomlkit.dumps(document).encode())
    return path


def _leaves(document: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        path = (*above, key)
        if isinstance(value, Mapping) and value and len(path) < 3:
            yield from _leaves(value, path)
        elif not (isinstance(value, Mapping) and len(path) == 1):
            yield ".".join(path), value


def _lines(text: str) -> dict[str, int]:
    """Return the line of each key. The parser keeps no positions; nobody asks for a look-alike in a long text."""
    lines: dict[str, int] = {}
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                lines.setdefault(".".join(table), number)
        elif key := _KEY.match(line):
            lines.setdefault(".".join([*table, *_parts(key[1])]), number)
    return lines


def _parts(key: str) -> list[str]:
    return [part.strip().strip("\"'") for part in key.split(".")]
