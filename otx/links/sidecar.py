"""The record ``FILE.json`` of a Pharaoh file: it states what the indices mean, since the format has no header.

    {"direction": "en-es", "index_base": 0, "corpus": "corpora/en-es", "corpus_digest": "...", "lines": 445,
     "key": "..."}

Only ``direction`` is required, so that the record can be written by hand for links of another program.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from otx.errors import DataError
from otx.files import atomic
from otx.files.reading import read_object
from otx.printable import quote

LIMIT = 2**20
"""Maximum size of a record, in bytes; otx writes about 200."""


@dataclass(frozen=True, slots=True)
class LinksRecord:
    """The record of a file of links.

    Attributes:
        direction: Languages of the first and the second index, such as ``en-es``.
        index_base: Number of the first word, 0 or 1; None if the record does not state it.
        corpus: Name of the corpus.
        corpus_digest: Fingerprint of the corpus; None if the record does not state it.
        lines: Number of lines of the file.
        key: Hash of everything that ``otx link`` computed the links from; None for links of another origin.
    """

    direction: str
    index_base: int | None = None
    corpus: str | None = None
    corpus_digest: str | None = None
    lines: int | None = None
    key: str | None = None


def record_path(links: Path) -> Path:
    """Return the path of the record of a file of links.

    Args:
        links: The file of links, plain or ``.gz``.

    Example:
        >>> record_path(Path("out/links.gz")).name
        'links.json'
    """
    return links.with_name(links.name.removesuffix(".gz") + ".json")


def write_record(links: Path, record: LinksRecord) -> None:
    """Write the record of a file of links into the same folder.

    Args:
        links: The file of links.
        record: The record.
    """
    text = json.dumps(asdict(record), ensure_ascii=False, indent=2) + "\n"
    atomic.write(record_path(links), text.encode())


def read_record(links: Path) -> LinksRecord | None:
    """Read the record of a file of links.

    Args:
        links: The file of links.

    Returns:
        The record, or None if the file has none.

    Raises:
        DataError: If the record cannot be read, or a value in it has the wrong type.
    """
    path = record_path(links)
    if not path.exists():
        return None
    values = read_object(path, LIMIT)
    for key in ("direction", "corpus", "corpus_digest", "key"):
        value = values.get(key)
        if not isinstance(value, str) and (value is not None or key == "direction"):
            raise DataError(f'{path}: "{key}" is not a text: {quote(json.dumps(value))}', _remedy())
    base = values.get("index_base")
    # True is an int, and 0.0 equals 0.
    if base is not None and (type(base) is not int or base not in (0, 1)):
        shown = quote(json.dumps(base))
        raise DataError(f'{path}: "index_base" is neither 0 nor 1: {shown}', _remedy())
    return LinksRecord(**{f.name: values.get(f.name) for f in fields(LinksRecord)})  # type: ignore[arg-type]


def _remedy() -> str:
    return 'a record is {"direction": "en-es", "index_base": 0}'
