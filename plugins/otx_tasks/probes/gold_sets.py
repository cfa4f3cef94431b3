"""Find sets of gold word alignments in a folder: ``name.src-tgt``, ``name.gold``, and index bases in ``sets.tsv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError, MissingDataError
from otx.files.reading import find_plain_or_gz, read_lines
from otx.links.gold import GOLD, SENTENCES, GoldPair, read_gold
from otx.printable import quote
from otx_tasks.files import plain_name
from otx_tasks.sample_data import sample_folder

FOLDER = "align"
"""Sub-folder that is searched for the files."""
NAMES = f"name{SENTENCES} (source ||| target) and name{GOLD} (i-j sure, ipj possible), plain or gz"
TABLE = "sets.tsv"


@dataclass(frozen=True, slots=True)
class GoldSet:
    """One set of gold word alignments.

    Attributes:
        name: Name of the set.
        sentences: File of the sentence pairs.
        gold: File of the links.
        index_base: First word index, 0 or 1; None means 0, if a 0 occurs.
        base_origin: Origin of the index base, for notes.
    """

    name: str
    sentences: Path
    gold: Path
    index_base: int | None
    base_origin: str


def find_gold_sets(data: Path, index_base: int | None) -> dict[str, GoldSet]:
    """Find the sets in a folder by name, or the one set that ``data`` names.

    Args:
        data: A folder, either file of a set, or their path without extension.
        index_base: First word index of every set; None takes each set's ``index_base`` from ``sets.tsv``, if it has
            one.

    Returns:
        The sets by name. One of them may lack a file: reading that one fails, and the others can be used.

    Raises:
        DataError: If there is no set, or ``sets.tsv`` cannot be read.
    """
    if data.is_dir():
        folder = data
        halves = [path for path in data.iterdir() if plain_name(path).endswith((SENTENCES, GOLD))]
    else:
        folder, halves = data.parent, [data]
    bases = _bases(folder / TABLE) if index_base is None else {}
    sets: dict[str, GoldSet] = {}
    for name in sorted({_set_name(path) for path in halves}):
        files = [find_plain_or_gz(folder / (name + ending)) for ending in (SENTENCES, GOLD)]
        if not any(files):
            raise _missing(folder / (name + GOLD))
        sentences, gold = (
            file or folder / (name + ending)
            for file, ending in zip(files, (SENTENCES, GOLD), strict=True)
        )
        if index_base is not None:
            sets[name] = GoldSet(name, sentences, gold, index_base, "index_base")
        elif name in bases:
            sets[name] = GoldSet(name, sentences, gold, bases[name], TABLE)
        else:
            sets[name] = GoldSet(name, sentences, gold, None, "default")
    if not sets:
        raise MissingDataError(f"{data}: no gold word alignments", f"a set is {NAMES}")
    return sets


def sets_of(data: str | None, index_base: int | None) -> dict[str, GoldSet]:
    """Find the sets that ``--data`` names, in the folder itself or in ``align/``.

    Args:
        data: The folder or file; None means the embedded sample.
        index_base: First word index of every set, or None.

    Raises:
        DataError: If there is no set.
    """
    place = sample_folder() if data is None else Path(data).expanduser()
    return find_gold_sets(place / FOLDER if (place / FOLDER).is_dir() else place, index_base)


def read_set(sets: Mapping[str, GoldSet], name: str, task: str) -> list[GoldPair]:
    """Read the sentence pairs of a set.

    Args:
        sets: The sets that exist, by name.
        name: Name of the set.
        task: Name of the task, for messages.

    Raises:
        DataError: If there is no such set, a file is missing, or a line cannot be used.
    """
    if name not in sets:
        raise DataError(f"{task}: no set {name}", f"available sets: {', '.join(sorted(sets))}")
    gold = sets[name]
    for path in (gold.gold, gold.sentences):
        if not path.is_file():
            raise _missing(path)
    return read_gold(gold.gold, gold.sentences, gold.index_base)


def _set_name(path: Path) -> str:
    return plain_name(path).removesuffix(GOLD).removesuffix(SENTENCES)


def _missing(path: Path) -> DataError:
    return DataError(f"{path}: no such file", f"a set is {NAMES}")


def _bases(table: Path) -> dict[str, int]:
    """Read the index base of each set; blank lines are skipped."""
    if not table.is_file():
        return {}
    rows = [(number, row.split("\t")) for number, row in enumerate(read_lines(table), start=1)]
    rows = [(number, row) for number, row in rows if any(cell.strip() for cell in row)]
    header = rows[0][1] if rows else []
    if not {"set", "index_base"} <= {*header}:
        raise DataError(
            f"{table}: its first line does not name the columns set and index_base",
            "write a header, with tabs between the columns, or give --index-base",
        )
    name, base = header.index("set"), header.index("index_base")
    bases: dict[str, int] = {}
    for number, row in rows[1:]:
        if len(row) <= max(name, base):
            raise DataError(
                f"{table}:{number}: {len(row)} columns, the header has {len(header)}",
                "write set and index_base in each line, with tabs between the columns",
            )
        if row[base] not in ("0", "1"):
            raise DataError(f"{table}:{number}: index_base is {quote(row[base])}", "write 0 or 1")
        if bases.setdefault(row[name], int(row[base])) != int(row[base]):
            raise DataError(f"{table}:{number}: {quote(row[name])} has two index bases")
    return bases
