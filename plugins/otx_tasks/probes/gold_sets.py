"""Sets of gold word alignments in a folder: ``name.src-tgt``, ``name.gold`` and what ``sets.tsv`` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError, MissingDataError
from otx.files.reading import read_lines
from otx.links.gold import GOLD, SENTENCES, GoldPair, read_gold
from otx.printable import quote
from otx_tasks.files import existing, plain_name
from otx_tasks.sample_data import sample_folder

FOLDER = "align"
"""Where the files may lie in a folder of many sets."""
NAMES = f"name{SENTENCES} (source ||| target) and name{GOLD} (i-j sure, ipj possible), plain or gz"
TABLE = "sets.tsv"


@dataclass(frozen=True, slots=True)
class GoldSet:
    """One set: its files, what its indices count from (None: from 0 if a 0 occurs), and what states it."""

    name: str
    sentences: Path
    gold: Path
    index_base: int | None
    told_by: str


def find_gold_sets(data: Path, index_base: int | None) -> dict[str, GoldSet]:
    """Find the sets in a folder by name, or the one set that ``data`` names.

    Args:
        data: A folder, either file of a set, or what their names have in common.
        index_base: What every set counts from; without it, each set's ``index_base`` in ``sets.tsv``, if it has one.

    Returns:
        The sets. One of them may lack a file: reading it fails, and it does not end the others.

    Raises:
        DataError: If there is no set, or ``sets.tsv`` cannot be read.
    """
    if data.is_dir():
        folder = data
        halves = [path for path in data.iterdir() if plain_name(path).endswith((SENTENCES, GOLD))]
    else:
        folder, halves = data.parent, [data]
    bases = _bases(folder / TABLE) if index_base is None else {}
    found: dict[str, GoldSet] = {}
    for name in sorted({_set_name(path) for path in halves}):
        files = [existing(folder / (name + ending)) for ending in (SENTENCES, GOLD)]
        if not any(files):
            raise _missing(folder / (name + GOLD))
        sentences, gold = (
            file or folder / (name + ending)
            for file, ending in zip(files, (SENTENCES, GOLD), strict=True)
        )
        if index_base is not None:
            found[name] = GoldSet(name, sentences, gold, index_base, "index_base")
        elif name in bases:
            found[name] = GoldSet(name, sentences, gold, bases[name], TABLE)
        else:
            found[name] = GoldSet(name, sentences, gold, None, "default")
    if not found:
        raise MissingDataError(f"{data}: no gold word alignments", f"a set is {NAMES}")
    return found


def sets_of(data: str | None, index_base: int | None) -> dict[str, GoldSet]:
    """The sets that ``--data`` names, in the folder itself or in ``align/``; without it the embedded sample's."""
    place = sample_folder() if data is None else Path(data).expanduser()
    return find_gold_sets(place / FOLDER if (place / FOLDER).is_dir() else place, index_base)


def read_set(sets: Mapping[str, GoldSet], name: str, task: str) -> list[GoldPair]:
    """The sentence pairs of a set; DataError if it is not there, and what ``otx.links.pharaoh.read_gold`` raises."""
    if name not in sets:
        raise DataError(f"{task}: no set {name}", f"there are {', '.join(sorted(sets))}")
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
    """What the sets count from, by name; blank lines are skipped."""
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
