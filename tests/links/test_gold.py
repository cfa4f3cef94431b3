"""Gold sets: what is read, index bases, links out of range, and refusals that name file and line."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx.links.gold import GoldPair, gold_files, outside_note, read_gold
from otx.links.pharaoh import GoldLinks

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


@pytest.mark.parametrize("gold", ["1-1 2-2\n1-1\n", "1p1\n\n", "2-3\n\n"])
def test_a_file_without_a_0_is_refused_until_the_base_is_stated(write: Write, gold: str) -> None:
    path = write("a b c d ||| e f g h\nx y ||| z w\n", gold)
    with pytest.raises(DataError, match=r"set\.gold: no index is 0") as caught:
        read_gold(path)
    assert "--index-base 1" in str(caught.value)
    zero, one = read_gold(path, index_base=0), read_gold(path, index_base=1)
    assert {(i - 1, j - 1) for i, j in zero[0].links.possible} == one[0].links.possible


@pytest.mark.parametrize("gold", ["0-1\n1-1\n", "1-0\n1-1\n", "1-1\n0p1\n", "\n\n"])
def test_a_0_on_either_side_says_that_words_are_counted_from_0(write: Write, gold: str) -> None:
    path = write("a b ||| c d\na b ||| c d\n", gold)
    assert read_gold(path) == read_gold(path, index_base=0)


def test_links_out_of_range_are_left_out_and_counted(write: Write) -> None:
    path = write("a b ||| c\n" * 40, "0-0 1-0\n" * 38 + "0-0 2-0 1p7\n0-0 0-1\n")
    pairs = read_gold(path)
    assert pairs[0] == GoldPair(["a", "b"], ["c"], GoldLinks(*[frozenset({(0, 0), (1, 0)})] * 2))
    assert [pair.outside for pair in pairs] == [0] * 38 + [2, 1]
    assert all(pair.links.possible == {(0, 0)} for pair in pairs[38:])
    note = "3 gold links in 2 of 40 sentences are out of range and left out"
    assert outside_note(pairs) == note and outside_note(pairs[:38]) is None


def test_an_index_below_the_base_is_out_of_range(write: Write) -> None:
    pairs = read_gold(write("a ||| b\n" * 20, "1-1\n" * 19 + "0-1\n"), index_base=1)
    assert [pair.outside for pair in pairs] == [0] * 19 + [1]


def test_more_than_5_percent_of_the_sentences_are_too_many(write: Write) -> None:
    path = write("a ||| b\n" * 19, "0-0\n" * 18 + "0-0 5-5\n")
    with pytest.raises(
        DataError, match=r"set\.gold:19: .*; 1 of 19 sentences .* \(at most 5%"
    ) as caught:
        read_gold(path)
    assert "index base (now 0)" in str(caught.value)


@pytest.mark.parametrize("name", ["es.src-tgt", "es.gold", "es", "es.src-tgt.gz", "es.gold.gz"])
def test_either_file_names_the_pair(tmp_path: Path, name: str) -> None:
    (tmp_path / "es.gold.gz").write_bytes(gzip.compress(b"0-0\n"))
    (tmp_path / "es.src-tgt").write_text("a ||| b\n")
    assert gold_files(tmp_path / name) == (tmp_path / "es.gold.gz", tmp_path / "es.src-tgt")
    assert read_gold(tmp_path / name)[0].source == ["a"]


def test_the_missing_file_of_a_pair_is_named(tmp_path: Path) -> None:
    (tmp_path / "es.src-tgt").write_text("a ||| b\n")
    with pytest.raises(DataError, match=r"es\.gold: no such file"):
        read_gold(tmp_path / "es.src-tgt")
    (tmp_path / "fr.gold").write_text("0-0\n")
    with pytest.raises(DataError, match=r"fr\.src-tgt: no such file"):
        read_gold(tmp_path / "fr.gold")
    with pytest.raises(DataError, match=r"nothing: no such file"):
        read_gold(tmp_path / "nothing")


def test_links_with_another_ending_have_their_sentences_beside(tmp_path: Path) -> None:
    (tmp_path / "es.links").write_text("0-0\n")
    (tmp_path / "es.links.src-tgt").write_text("a ||| b\n")
    assert read_gold(tmp_path / "es.links")[0].target == ["b"]


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


def test_the_real_set_has_one_link_out_of_range(shared_data: Path) -> None:
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
    pairs = read_gold(gold)
    assert [number for number, pair in enumerate(pairs, start=1) if pair.outside] == bad
