"""Recognise the languages of a table's columns, or of the keys of JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from otx.data.languages import is_known_language
from otx.data.lines import decoded_lines
from otx.errors import DataError, UsageError
from otx.files.reading import parse_json
from otx.printable import quote
from otx_corpora.options import FilesOptions

LINE_FACTOR = 16
"""A line may have this many times the characters of a side: JSON writes one character in up to six."""

_SIDES = (("source", "target"), ("src", "tgt"), ("sentence1", "sentence2"))
_ENGLISH = ("english", "non_english")
_IN_NAME = re.compile(r"(?<![^\W_])([a-z]{2,3})[-_]([a-z]{2,3})(?![^\W_])")
_FIRST = 20
"""Number of JSON lines whose keys are read."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table's languages.

    Attributes:
        columns: Language to column: its name, or its number from 1.
        header: Column names of a TSV whose first line is a header.
        width: Number of columns of a TSV.
        exact: Whether a line with more columns is refused.
    """

    columns: dict[str, str]
    header: tuple[str, ...] = ()
    width: int = 0
    exact: bool = True


def is_tsv(path: Path) -> bool:
    """Return whether a table is a TSV, not JSON lines.

    Args:
        path: The file.
    """
    return path.name.removesuffix(".gz").endswith(".tsv")


def find_columns(path: Path, options: FilesOptions, encoding: str) -> Layout:
    """Find the column of each language.

    Args:
        path: The file.
        options: Options of ``files``.
        encoding: The file's encoding.

    Returns:
        The columns.

    Raises:
        DataError: If the file cannot be read.
        UsageError: If the languages are not recognised, or if ``files.columns`` names a column that does not exist.
    """
    lines = decoded_lines(path, LINE_FACTOR * options.max_characters, encoding)
    if is_tsv(path):
        first = next(lines, None)
        return _tsv_layout(path, [] if first is None else first.text.split("\t"), options)
    keys: dict[str, Any] = {}
    for line in islice(lines, _FIRST):
        try:
            keys |= flat(parse_json(line.text, str(path)))
        except DataError:
            continue  # Each such line is refused when the file is read.
    texts = [name for name, value in keys.items() if isinstance(value, str)]
    columns = _chosen(options, path, list(keys)) or _by_name(path, texts)
    if not columns:
        raise _unrecognised(path, '"en:KEY","de:KEY"')
    return Layout(columns)


def flat(value: object) -> dict[str, Any]:
    """Return the fields of a JSON object; nested fields have dotted names.

    Args:
        value: A JSON value.

    Returns:
        Name to value; empty if ``value`` is not an object.

    Example:
        >>> flat({"id": 1, "translation": {"en": "a", "de": "b"}})
        {'id': 1, 'translation.en': 'a', 'translation.de': 'b'}
    """
    if not isinstance(value, dict):
        return {}
    cells: dict[str, Any] = {}
    for name, cell in value.items():
        if isinstance(cell, dict):
            cells |= {f"{name}.{inner}": field for inner, field in cell.items()}
        else:
            cells[name] = cell
    return cells


def _tsv_layout(path: Path, first: list[str], options: FilesOptions) -> Layout:
    numbers = [str(number) for number in range(1, len(first) + 1)]
    names = tuple(cell.strip() for cell in first)
    by_name = _by_name(path, names) if len(set(names)) == len(names) else {}
    if options.columns:
        chosen = _chosen(options, path, [*numbers, *names])
        # A number means the column's place, whatever the cells of the first row are.
        header = bool(by_name) or any(
            column in names and column not in numbers for column in chosen.values()
        )
        if header:
            chosen = {
                language: names[int(column) - 1] if column in numbers else column
                for language, column in chosen.items()
            }
            return Layout(chosen, names, len(names))
        return Layout(chosen, width=max(map(int, chosen.values())), exact=False)
    if by_name:
        return Layout(by_name, names, len(names))
    languages = _name_languages(path)
    if languages is None:
        raise _unrecognised(path, '"en:1","de:2"')
    if len(first) != 2:
        raise _too_many(path, languages, len(first))
    return Layout(dict(zip(languages, numbers, strict=True)), width=2)


def _chosen(options: FilesOptions, path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the columns that ``files.columns`` gives; empty if it gives none."""
    columns = dict(text.split(":", 1) for text in options.columns)
    for column in columns.values():
        if column not in names:
            raise UsageError(
                f"{path} has no column {quote(column)}",
                f"files.columns may name {', '.join(quote(name) for name in names[:10])}",
            )
    if len(columns) == 1:
        raise UsageError(f"files.columns has {next(iter(columns))} twice", "name two languages")
    return columns


def _by_name(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the columns that are named after languages or sides; empty if they are not recognised."""
    languages = {name.rpartition(".")[2]: name for name in names if _names_language(name)}
    if len(languages) > 2:
        # More often a number than Indonesian.
        languages.pop("id", None)
    if len(languages) >= 2:
        return languages
    pair = _name_languages(path)
    lowered = {name.lower(): name for name in names}
    if pair is not None and set(_ENGLISH) <= lowered.keys() and "en" in pair:
        other = pair[1] if pair[0] == "en" else pair[0]
        return {"en": lowered["english"], other: lowered["non_english"]}
    for sides in _SIDES:
        if pair is not None and set(sides) <= lowered.keys():
            return {language: lowered[side] for language, side in zip(pair, sides, strict=True)}
    return {}


def _names_language(name: str) -> bool:
    prefix, _, code = name.rpartition(".")
    return prefix in ("", "translation") and is_known_language(code) and code == code.strip()


def _name_languages(path: Path) -> tuple[str, str] | None:
    """Return the two languages in a file's name; None if it has none, or several pairs."""
    pairs = {
        (first, second)
        for first, second in _overlapping(path.name)
        if first != second and is_known_language(first) and is_known_language(second)
    }
    return next(iter(pairs)) if len(pairs) == 1 else None


def _overlapping(name: str) -> Iterator[tuple[str, str]]:
    start = 0
    while match := _IN_NAME.search(name, start):
        yield match[1], match[2]
        start = match.start() + 1


def _unrecognised(path: Path, example: str) -> UsageError:
    return UsageError(
        f"the languages of the columns of {path} are not recognised",
        f"add --set 'files.columns=[{example}]', or put them into its name: {_named(path)}",
    )


def _too_many(path: Path, languages: tuple[str, str], columns: int) -> UsageError:
    one, other = languages
    return UsageError(
        f"{path} has {columns} columns, and its first line does not name those of {one} and {other}",
        f'add --set \'files.columns=["{one}:1","{other}:2"]\', with the numbers of the columns',
    )


def _named(path: Path) -> str:
    stem, dot, ending = path.name.partition(".")
    return f"{stem}.en-de{dot}{ending}"
