"""Pharaoh lines and files: round trips, index bases, and refusals that name file and line."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError, UsageError
from otx.links.pharaoh import (
    GoldLinks,
    format_pharaoh,
    parse_pharaoh,
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


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: no such file"):
        read_links(tmp_path / "nothing")
    (tmp_path / "latin").write_bytes(b"0-0\n0-0 \xe9\n")
    with pytest.raises(DataError, match=r"latin:2: not UTF-8"):
        read_links(tmp_path / "latin")
    (tmp_path / "half.gz").write_bytes(gzip.compress(b"0-0 1-1\n" * 50)[:-12])
    with pytest.raises(DataError, match=r"half\.gz: cannot be read"):
        read_links(tmp_path / "half.gz")


@pytest.mark.parametrize("line", ["1000000000-0", "0-" + "7" * 4_400, "9" * 300_000 + "p1"])
def test_an_index_of_more_than_nine_digits_is_refused_by_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "links").write_text(f"0-0\n{line}\n")
    with pytest.raises(
        DataError, match=r"links:2: .* has an index of more than 9 digits"
    ) as caught:
        read_links(tmp_path / "links")
    assert len(caught.value.message) < 300 + len(str(tmp_path))


def test_a_message_quotes_at_most_80_characters(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("x" * 300_000)
    with pytest.raises(
        DataError, match=r"links:1: 'x{80}\.\.\.' \(300,000 characters\) is not"
    ) as caught:
        read_links(tmp_path / "links")
    assert len(caught.value.message) < 300 + len(str(tmp_path))
    assert parse_pharaoh("999999999-0").sure == {(999_999_999, 0)}
