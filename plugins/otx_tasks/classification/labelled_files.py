"""Read tables of one or two texts and a class, with or without a header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError
from otx.files.reading import read_lines

FIRST = ("sentence1", "text", "sentence", "premise")
SECOND = ("sentence2", "hypothesis")
LABEL = ("label", "gold_label")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row.

    Attributes:
        line: Line in the file, from 1.
        texts: One text or two.
        label: The class.
    """

    line: int
    texts: tuple[str, ...]
    label: str


def read_labelled(path: Path) -> list[Labelled]:
    """Read a table with tabs between its columns, plain or gz.

    A header names the columns ``sentence1``, ``sentence2`` and ``label``, or ``text`` and ``label``. Without a header
    the columns are one or two texts and then the class.

    Args:
        path: The file.

    Returns:
        The rows, in order.

    Raises:
        DataError: For a row of another width, an empty text or class, and a file without rows, naming file and line.
    """
    lines = read_lines(path)
    header = lines[0].split("\t") if lines else []
    headed = bool({*header} & {*LABEL} and {*header} & {*FIRST})
    width = len(header)
    if not headed and width not in (2, 3):
        raise DataError(
            f"{path}:1: {width} columns",
            "write one or two texts and a class, or a header with sentence1 and label",
        )
    places = _places(header) if headed else [*range(width)]
    rows = []
    for number, line in enumerate(lines[headed:], start=1 + headed):
        cells = line.split("\t")
        if len(cells) != width:
            raise DataError(f"{path}:{number}: {len(cells)} columns instead of {width}")
        *texts, label = (cells[place].strip() for place in places)
        if not all(texts) or not label:
            raise DataError(f"{path}:{number}: a text or the class is empty")
        rows.append(Labelled(number, tuple(texts), label))
    if not rows:
        raise DataError(f"{path}: no rows")
    return rows


def _places(header: list[str]) -> list[int]:
    """Return the columns of the texts and then of the class."""
    places = []
    for names in (FIRST, SECOND, LABEL):
        places += [header.index(name) for name in names if name in header][:1]
    return places
