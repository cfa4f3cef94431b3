"""Read sentences with tagged words: ``token<TAB>tag`` lines (XTREME, WikiANN) and CoNLL-U (treebanks)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError
from otx.files.reading import read_lines
from otx.printable import quote
from otx_tasks.files import plain_name

SPACE_INSIDE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sentence.

    Attributes:
        name: Its name in the file, else ``line-N`` of its first word.
        words: The words.
        tags: The tag of each word.
    """

    name: str
    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_tagged(path: Path, known: Callable[[str], bool]) -> list[Tagged]:
    """Read the sentences of a file; blank lines end sentences.

    In CoNLL-U the tag is the UPOS column; ranges (3-4) and empty nodes (3.1) are not words. White space inside a word
    becomes ``_``.

    Args:
        path: The file, ``.conllu`` or ``token<TAB>tag``, plain or gz.
        known: Returns True for a tag of the task.

    Returns:
        The sentences, at least one.

    Raises:
        DataError: For a line without a tag and for an unknown tag, naming file and line.
    """
    rows = _conllu(path) if plain_name(path).endswith(".conllu") else _two_columns(path)
    sentences: list[Tagged] = []
    name = ""
    words: list[str] = []
    tags: list[str] = []
    for line, row in rows:
        if isinstance(row, str):
            name = row
        elif row is None:
            if words:
                sentences.append(Tagged(name, tuple(words), tuple(tags)))
            name, words, tags = "", [], []
        else:
            word, tag = row
            if not known(tag):
                raise DataError(
                    f"{path}:{line}: tag {quote(tag)} is not one of this task's",
                    "XTREME's download has no test tags: use the labelled files",
                )
            name = name or f"line-{line}"
            words.append(SPACE_INSIDE.sub("_", word))
            tags.append(tag)
    if not sentences:
        raise DataError(f"{path}: no sentence", "is it token<TAB>tag or CoNLL-U?")
    return sentences


Row = tuple[str, str] | str | None
"""A word and its tag, a sentence's name, or the end of a sentence."""


def _two_columns(path: Path) -> Iterator[tuple[int, Row]]:
    number = 0
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            yield number, None
            continue
        word, tab, tag = line.rpartition("\t")
        if not tab or not word.strip() or not tag.strip():
            raise DataError(f"{path}:{number}: no word and tag with a tab between")
        yield number, (word.strip(), tag.strip())
    yield number, None


def _conllu(path: Path) -> Iterator[tuple[int, Row]]:
    number = 0
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            yield number, None
        elif line.startswith("#"):
            key, _, value = line.lstrip("# ").partition("=")
            if key.strip() == "sent_id":
                yield number, value.strip()
        else:
            cells = line.split("\t")
            if len(cells) != 10:
                raise DataError(f"{path}:{number}: {len(cells)} columns, CoNLL-U has 10")
            if cells[0].isdigit():
                yield number, (cells[1], cells[3])
    yield number, None
