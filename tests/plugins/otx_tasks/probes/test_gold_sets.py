from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx.links.gold import read_gold
from otx_tasks.probes.gold_sets import find_gold_sets, read_set

Write = Callable[[str, str], Path]


def put(write: Write, *names: str) -> None:
    for name in names:
        write(f"{name}.src-tgt", "a ||| b\n")
        write(f"{name}.gold", "0-0\n")


def test_who_says_what_indices_count_from(write: Write, tmp_path: Path) -> None:
    put(write, "enfr", "heldout.en-de")
    write("sets.tsv", "set\tsentences\tindex_base\nenfr\t1\t1\nother\t1\t0\n")
    found = find_gold_sets(tmp_path, None)
    assert {n: (s.index_base, s.base_origin) for n, s in found.items()} == {
        "enfr": (1, "sets.tsv"),
        "heldout.en-de": (None, "default"),
    }
    assert {s.index_base for s in find_gold_sets(tmp_path, 0).values()} == {0}


def test_packed_sets_are_found_and_read(write: Write, tmp_path: Path) -> None:
    put(write, "enfr")
    for half in ("ende.src-tgt.gz", "ende.gold.gz", "enro.src-tgt", "enro.gold.gz"):
        write(half, "0-0\n" if ".gold" in half else "a ||| b\n")
    found = find_gold_sets(tmp_path, None)
    assert {n: (s.sentences.name, s.gold.name) for n, s in found.items()} == {
        "ende": ("ende.src-tgt.gz", "ende.gold.gz"),
        "enfr": ("enfr.src-tgt", "enfr.gold"),
        "enro": ("enro.src-tgt", "enro.gold.gz"),
    }
    for name in ("ende", "ende.gold.gz", "ende.src-tgt.gz", "ende.gold"):
        (only,) = find_gold_sets(tmp_path / name, None).values()
        ((source, target, links, _),) = read_gold(only.gold, only.sentences, only.index_base)
        assert (source, target, links.sure) == (["a"], ["b"], {(0, 0)})


@pytest.mark.parametrize("name", ["enfr", "enfr.gold", "enfr.src-tgt"])
def test_one_set_by_any_of_its_names(write: Write, tmp_path: Path, name: str) -> None:
    put(write, "enfr", "enes")
    assert [*find_gold_sets(tmp_path / name, None)] == ["enfr"]


def test_what_is_missing_is_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no gold word alignments"):
        find_gold_sets(tmp_path, None)
    with pytest.raises(DataError, match=r"none\.gold: no such file"):
        find_gold_sets(tmp_path / "none", None)
    for there, content, missing in (
        (".gold", "0-0\n", "src-tgt"),
        (".src-tgt", "a ||| b\n", "gold"),
    ):
        path = write(f"enfr{there}", content)
        put(write, "ende")
        found = find_gold_sets(tmp_path, None)
        assert len(read_set(found, "ende", "word-alignment")) == 1
        with pytest.raises(DataError, match=rf"enfr\.{missing}: no such file"):
            read_set(found, "enfr", "word-alignment")
        path.unlink()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", r"sets\.tsv: .*columns set and index_base"),
        ("\n\n", r"sets\.tsv: .*columns set and index_base"),
        ("set\tbase\nenfr\t1\n", r"sets\.tsv: .*columns set and index_base"),
        ("set\tindex_base\nenfr\tone\n", r"sets\.tsv:2: index_base is 'one'"),
        ("set\tindex_base\nenfr\t2\n", r"sets\.tsv:2: index_base is '2'"),
        ("set\tindex_base\nenfr\t\n", r"sets\.tsv:2: index_base is ''"),
        ("set\tindex_base\n\nenfr\n", r"sets\.tsv:3: 1 columns, the header has 2"),
        (f"set\tindex_base\nenfr\t{'1' * 5000}\n", r"sets\.tsv:2: index_base is '1{80}\.\.\.'"),
        ("set\tindex_base\nenfr\t0\nenfr\t1\n", r"sets\.tsv:3: 'enfr' has two index bases"),
    ],
)
def test_a_strange_table_is_refused(write: Write, tmp_path: Path, table: str, message: str) -> None:
    put(write, "enfr")
    write("sets.tsv", table)
    with pytest.raises(DataError, match=message):
        find_gold_sets(tmp_path, None)


def test_real_folder(shared_data: Path) -> None:
    found = find_gold_sets(shared_data / "align", None)
    assert len(found) == 12
    assert {name for name, s in found.items() if s.index_base == 1} == {"enfr", "zhen"}
