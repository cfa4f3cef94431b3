"""Tables: one file with both sides, ``.tsv`` or ``.jsonl``, plain or ``.gz``, as distributed by OPUS and the Hub.

The languages of the columns come from the first of these that applies:

- ``files.columns``: ``en:1`` and ``de:2``, or ``en:english`` and ``de:non_english``;
- a header row, or JSON keys, that are language codes (``en``, ``de``; also within ``translation``);
- a header row, or JSON keys, ``english`` and ``non_english``, ``source`` and ``target``, ``src`` and ``tgt``, or
  ``sentence1`` and ``sentence2``, and a TSV of two columns without a header, with the languages of the file's name:
  ``x.en-de.tsv``, ``TED2020-en-de-train.tsv.gz``.

A file with more than two languages gives one corpus per language other than the pivot; ``FILE#de,es`` takes some of
them. In such a file a missing translation is not a fault. Tabs separate columns; quotation marks are text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from otx.data.bitext import VERSION, Bitext, NumberedLines, store_pairs
from otx.data.cache import built, cache_folder, content_digest
from otx.data.encodings import known_encoding
from otx.data.lines import Fault, Line, check_text, decoded_lines
from otx.errors import DataError, UsageError
from otx.files.digests import short_key
from otx.files.reading import parse_json
from otx.interfaces import Corpus
from otx.printable import quote
from otx_corpora.options import FilesOptions
from otx_corpora.table_columns import LINE_FACTOR, Layout, find_columns, flat, is_tsv

READER = 1
"""Raised whenever the same file would be read differently."""
_ENDINGS = (".tsv", ".jsonl")
Row = dict[str, str]
"""The cells of a line by column: by its name or, in a TSV without a header, by its number from 1."""


def is_table(spec: str) -> bool:
    """Return whether a spec names one file with both sides.

    Args:
        spec: What ``--corpus`` takes.

    Example:
        >>> is_table("x.en-de.tsv.gz"), is_table("x.jsonl#de"), is_table("path/en-de")
        (True, True, False)
    """
    return spec.partition("#")[0].removesuffix(".gz").endswith(_ENDINGS)


def open_table(spec: str, options: FilesOptions, pivot: str) -> list[Corpus]:
    """Open one corpus per language of a table, other than the pivot.

    Args:
        spec: The file, with ``#de,es`` to take some of its languages.
        options: Options of ``files``.
        pivot: The pivot language.

    Returns:
        The corpora; a pair's line is the line of the file.

    Raises:
        DataError: If the file does not exist or cannot be read.
        UsageError: If its languages are not recognised, or if the pivot or a language of ``spec`` is not among them.
    """
    name, _, asked = spec.partition("#")
    path = Path(name)
    if not path.is_file():
        raise DataError(f"corpus file {name} does not exist", "check the path after --corpus")
    encoding = known_encoding(options.encoding, "files.encoding")
    layout = find_columns(path, options, encoding)
    languages = list(layout.columns)
    if pivot not in languages:
        raise UsageError(
            f"{name} has {', '.join(languages)}, but the pivot is {pivot}",
            f"add --set data.pivot={languages[0]}, or give another corpus",
        )
    others = [language for language in languages if language != pivot]
    for language in asked.split(",") if asked else ():
        if language not in others:
            raise UsageError(
                f"{name} has no {language} besides {pivot}", f"it has {', '.join(others)}"
            )
    digest = content_digest(path)
    return [
        _corpus(path, digest, layout, (language, pivot), options, encoding)
        for language in (asked.split(",") if asked else others)
    ]


def _corpus(
    path: Path,
    digest: str,
    layout: Layout,
    languages: tuple[str, str],
    options: FilesOptions,
    encoding: str,
) -> Bitext:
    limit = options.max_characters
    wide = len(layout.columns) > 2

    def lines() -> Iterator[NumberedLines]:
        rows = enumerate(decoded_lines(path, LINE_FACTOR * limit, encoding), start=1)
        for number, line in islice(rows, 1 if layout.header else 0, None):
            row = _row(path, line, layout)
            if isinstance(row, Fault):
                refused = Line("", (*line.faults, row)) if not line.refused else line
                yield number, refused, Line("")
                continue
            texts = [row.get(layout.columns[language], "") for language in languages]
            if wide and not all(texts):
                continue
            first, second = (check_text(text, limit) for text in texts)
            yield number, Line(first.text, (*line.faults, *first.faults)), second

    columns = [layout.columns[language] for language in languages]
    packed = path.suffix == ".gz"
    key = short_key(
        VERSION, READER, digest, packed, path.name.removesuffix(".gz")[-5:], columns, layout.header,
        wide, limit, encoding,
    )  # fmt: skip
    folder = built(cache_folder() / "tables" / key, lambda folder: store_pairs(folder, lines()))
    return Bitext(
        folder,
        name=f"{path}#{languages[0]}" if wide else str(path),
        languages=languages,
        files=(f"{path} {languages[0]}", f"{path} {languages[1]}"),
        pretokenised=options.pretokenised,
    )


def _row(path: Path, line: Line, layout: Layout) -> Row | Fault:
    """Return the cells of a line, or its fault."""
    if line.refused:
        return line.faults[-1]
    if not line.text.strip():
        return Fault("empty", "nothing in the line")
    if is_tsv(path):
        texts = line.text.split("\t")
        if len(texts) < layout.width or (layout.exact and len(texts) > layout.width):
            return Fault("columns", f"{len(texts)} columns, expected {layout.width}")
        names = layout.header or [str(number) for number in range(1, len(texts) + 1)]
        return dict(zip(names, texts, strict=True))
    try:
        value = parse_json(line.text, "the line")
    except DataError as error:
        return Fault("json", error.message)
    cells = flat(value)
    for column in layout.columns.values():
        if not isinstance(cells.get(column, ""), str | None):
            return Fault("json", f"{quote(column)} is not text")
    if not isinstance(value, dict) or not any(cells.get(c) for c in layout.columns.values()):
        return Fault("json", f"not an object with {' and '.join(layout.columns.values())}")
    return {name: cell for name, cell in cells.items() if isinstance(cell, str)}
