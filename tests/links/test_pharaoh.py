"""Pharaoh lines and files: round trips, index bases, and refusals that name file and line."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError, UsageError
from otx.links.pharaoh import (
    GoldLinks,
    format_pharaoh,
    parse_pharaoh,
    read_gold,
    read_links,
    write_links,
)

LINKS = st.frozensets(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=40)


@given(LINKS, LINKS, st.sampled_from([0, 1]))
def test_a_line_reads_back_as_it_was(sure: frozenset, other: frozenset, base: int) -> None:
    links = GoldLinks(sure, sure | other)
    assert parse_pharaoh(format_pharaoh(links, index_base=base), index_base=base) == links


def test_a_line_by_hand() -> None:
    links = parse_pharaoh(" 1-2\t3p1 1-1 \r", index_base=1)
    assert links.sure == {(0, 1), (0, 0)}
    assert links.possible == {(0, 1), (0, 0), (2, 0)}
    assert format_pharaoh(links) == "0-0 0-1 2p0"


def test_an_empty_line_has_no_links() -> None:
    assert parse_pharaoh("") == GoldLinks(frozenset(), frozenset())


@pytest.mark.parametrize("line", ["1", "1-", "a-b", "1-2-3", "1--2", "-1-2", "1:2", "1.0-2", "²-1"])
def test_what_is_no_link_is_refused(line: str) -> None:
    with pytest.raises(DataError, match="is not a link"):
        parse_pharaoh(line)


def test_an_index_below_the_base_is_refused() -> None:
    with pytest.raises(DataError, match=r"0-3 is below the index base 1"):
        parse_pharaoh("1-1 0-3", index_base=1)


def test_an_index_base_is_0_or_1() -> None:
    with pytest.raises(UsageError, match="index base 2"):
        parse_pharaoh("", index_base=2)


def test_a_sure_link_is_a_possible_one() -> None:
    with pytest.raises(ValueError, match="sure link"):
        GoldLinks(frozenset({(0, 0)}), frozenset())


@given(rows=st.lists(LINKS, max_size=6), base=st.sampled_from([0, 1]), packed=st.booleans())
def test_a_file_of_links_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list, base: int, packed: bool
) -> None:
    path = tmp_path_factory.mktemp("links") / ("a.links.gz" if packed else "a.links")
    write_links(path, rows, index_base=base)
    assert read_links(path, index_base=base) == rows
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    assert content.count(b"\n") == len(rows)


def test_links_are_sure_and_possible_alike(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("0-0 1p1\n\n2-2")
    assert read_links(tmp_path / "a") == [{(0, 0), (1, 1)}, frozenset(), {(2, 2)}]


Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a set's two files; gives the path of the gold one."""

    def write(sentences: str, gold: str) -> Path:
        (tmp_path / "set.src-tgt").write_text(sentences, encoding="utf-8", newline="")
        (tmp_path / "set.gold").write_text(gold, encoding="utf-8", newline="")
        return tmp_path / "set.gold"

    return write


def test_gold_pairs_by_hand(write: Write) -> None:
    gold = write("das Haus ||| the house\nja\u2028ja . ||| yes .\n", "1-1 2-2\n1p1\n")
    pairs = read_gold(gold, index_base=1)
    assert [(p.source, p.target) for p in pairs] == [
        (["das", "Haus"], ["the", "house"]),
        (["ja", "ja", "."], ["yes", "."]),
    ]
    assert pairs[0].links.sure == {(0, 0), (1, 1)} == pairs[0].links.possible
    assert pairs[1].links == GoldLinks(frozenset(), frozenset({(0, 0)}))


def test_gzip_and_a_byte_order_mark_change_nothing(write: Write, tmp_path: Path) -> None:
    plain = read_gold(write("\ufeffa b ||| c\r\n", "1-0\r\n"))
    for name in ("set.gold", "set.src-tgt"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    assert read_gold(tmp_path / "set.gold.gz") == plain
    assert plain[0].source == ["a", "b"]


@pytest.mark.parametrize(
    ("sentences", "gold", "words"),
    [
        ("a b ||| c\na ||| b\n", "1-0\n0-1\n", r"set\.gold:2: link 0-1 is out of range.* 1 and 1"),
        ("a b ||| c\na ||| b\n", "2p0\n\n", r"set\.gold:1: link 2-0 is out of range.* 2 and 1"),
        ("a ||| b\n", "0-0\n0-0\n", r"src-tgt has 1 lines but .*set\.gold has 2"),
        ("a ||| b\na b\n", "\n\n", r"src-tgt:2: 1 texts instead of 2"),
        ("a ||| b ||| c\n", "\n", r"src-tgt:1: 3 texts instead of 2"),
        ("a ||| b\na ||| b\n", "\n0-x\n", r"set\.gold:2: '0-x' is not a link"),
    ],
)
def test_a_bad_set_is_refused_with_file_and_line(
    write: Write, sentences: str, gold: str, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        read_gold(write(sentences, gold))


def test_the_index_base_is_named_when_a_link_is_out_of_range(write: Write) -> None:
    with pytest.raises(DataError, match=r"link 2-1 .*index base \(now 1\)"):
        read_gold(write("a ||| b\n", "2-1\n"), index_base=1)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: no such file"):
        read_links(tmp_path / "nothing")
    (tmp_path / "latin").write_bytes(b"0-0\n0-0 \xe9\n")
    with pytest.raises(DataError, match=r"latin:2: not UTF-8"):
        read_links(tmp_path / "latin")
    (tmp_path / "half.gz").write_bytes(gzip.compress(b"0-0 1-1\n" * 50)[:-12])
    with pytest.raises(DataError, match=r"half\.gz: cannot be read"):
        read_links(tmp_path / "half.gz")


@pytest.mark.parametrize(
    "name",
    [
        "enfr",
        "zhen",
        "enes",
        "enfr-golden",
        "entr",
        "xlwa-enes",
        "xlwa-enru",
        "xlwa-enit",
        "xlwa-ennl",
        "xlwa-enda",
    ],
)
def test_real_sets_have_the_links_their_table_counts(shared_data: Path, name: str) -> None:
    header, *rows = (
        line.split("\t") for line in (shared_data / "align/sets.tsv").read_text().splitlines()
    )
    row = next(dict(zip(header, row, strict=False)) for row in rows if row[0] == name)
    pairs = read_gold(shared_data / f"align/{name}.gold", index_base=int(row["index_base"]))
    sure = sum(len(pair.links.sure) for pair in pairs)
    possible = sum(len(pair.links.possible) for pair in pairs)
    assert len(pairs) == int(row["sentences"])
    # Two sets say a link twice; the table counts it twice, otx once.
    items = [line.split() for line in (shared_data / f"align/{name}.gold").read_text().splitlines()]
    assert sure == int(row["sure"]) - sum(len(line) - len(set(line)) for line in items)
    # The table counts p-links: those that are not sure as well.
    assert possible - sure == int(row["possible"])


def test_the_real_set_with_a_link_out_of_range_is_refused_by_line(shared_data: Path) -> None:
    gold = shared_data / "align/deen-small.gold"
    lines = zip(
        gold.read_text().splitlines(),
        (shared_data / "align/deen-small.src-tgt").read_text().splitlines(),
        strict=True,
    )
    bad = [
        number
        for number, (links, text) in enumerate(lines, start=1)
        for link in links.split()
        if any(
            int(i) >= len(side.split())
            for i, side in zip(link.split("-"), text.split("|||"), strict=True)
        )
    ]
    assert len(bad) == 1
    with pytest.raises(DataError, match=rf"deen-small\.gold:{bad[0]}: link .* out of range"):
        read_gold(gold)
