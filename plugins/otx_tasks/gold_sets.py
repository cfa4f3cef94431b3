"""Sets of gold word alignments in a folder: ``name.src-tgt``, ``name.gold`` and what ``sets.tsv`` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError
from otx.files.reading import read_lines
from otx.links.pharaoh import GoldPair, read_gold
from otx_tasks.embedded import sample_folder
from otx_tasks.files import existing, plain_name

FOLDER = "align"
"""Where the files may lie in a folder of many sets."""
SENTENCES, GOLD = ".src-tgt", ".gold"
NAMES = f"name{SENTENCES} (source ||| target) and name{GOLD} (i-j sure, ipj possible), plain or gz"


@dataclass(frozen=True, slots=True)
class GoldSet:
    """One set: its files, what its indices count from, and who said so."""

    name: str
    sentences: Path
    gold: Path
    index_base: int
    told_by: str


def find_gold_sets(data: Path, index_base: int | None) -> dict[str, GoldSet]:
    """The sets in a folder by name, or the one set that ``data`` names (either file, or their common prefix).

    ``index_base`` holds for every set if given; otherwise each set's ``index_base`` in ``sets.tsv``, else 0.
    Raises DataError if there is no set or half of one.
    """
    if data.is_dir():
        folder = data
        halves = [path for path in data.iterdir() if plain_name(path).endswith((SENTENCES, GOLD))]
    else:
        folder, halves = data.parent, [data]
    bases = _bases(folder / "sets.tsv") if index_base is None else {}
    found: dict[str, GoldSet] = {}
    for name in sorted({_set_name(path) for path in halves}):
        gold, sentences = _half(folder, name + GOLD), _half(folder, name + SENTENCES)
        if index_base is not None:
            found[name] = GoldSet(name, sentences, gold, index_base, "index_base")
        elif name in bases:
            found[name] = GoldSet(name, sentences, gold, bases[name], "sets.tsv")
        else:
            found[name] = GoldSet(name, sentences, gold, 0, "default")
    if not found:
        raise DataError(f"{data}: no gold word alignments", f"a set is {NAMES}")
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
    return read_gold(gold.gold, gold.sentences, gold.index_base)


def _set_name(path: Path) -> str:
    return plain_name(path).removesuffix(GOLD).removesuffix(SENTENCES)


def _half(folder: Path, name: str) -> Path:
    there = existing(folder / name)
    if there is None:
        raise DataError(f"{folder / name}: no such file", f"a set is {NAMES}")
    return there


def _bases(table: Path) -> dict[str, int]:
    if not table.is_file():
        return {}
    header, *rows = (line.split("\t") for line in read_lines(table))
    try:
        name, base = header.index("set"), header.index("index_base")
        bases = {row[name]: int(row[base]) for row in rows}
    except (ValueError, IndexError) as error:
        raise DataError(f"{table}: wanted are columns set and index_base (0 or 1)") from error
    if not {*bases.values()} <= {0, 1}:
        raise DataError(f"{table}: an index_base is neither 0 nor 1")
    return bases
