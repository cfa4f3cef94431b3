from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.data.lines import check_text, read_lines
from otx.errors import DataError


def kinds(path: Path, limit: int = 1_000) -> list[list[str]]:
    return [[fault.kind for fault in line.faults] for line in read_lines(path, limit)]


@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        (b"", "empty", "nothing"),
        (b"  \t ", "whitespace", "white space"),
        ("\u200b\u00a0".encode(), "whitespace", "white space"),
        (b"a\x00b", "nul", "U+0000 at character 2"),
        (b"ab\x07", "control", "U+0007 at character 3"),
        (b"a\x0cb", "control", "U+000C"),
        ("a\u0085b".encode(), "control", "U+0085"),
        (b"a\rb", "control", "U+000D"),
        (b"abc\xff", "invalid-utf8", "0xff at byte 4"),
        (b"\xed\xa0\x80", "invalid-utf8", "0xed at byte 1"),
        (b"x" * 1_001, "overlong", "1,001 characters, at most 1,000"),
        (b"x" * 5_000, "overlong", "5,000 bytes"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(
    tmp_path: Path, raw: bytes, kind: str, reason: str
) -> None:
    path = tmp_path / "x.de"
    path.write_bytes(b"good\n" + raw + b"\nlast")
    first, bad, last = read_lines(path, 1_000)
    assert (first.text, last.text) == ("good", "last")
    assert not first.refused
    assert bad.refused
    assert [fault.kind for fault in bad.faults] == [kind]
    assert reason in bad.faults[0].reason


def test_mended_lines_are_kept_and_said(tmp_path: Path) -> None:
    path = tmp_path / "x.de"
    path.write_bytes("\ufeffone\r\ntwo\u2028lines\r\n\r\nfour\n".encode())
    lines = list(read_lines(path, 100))
    assert [line.text for line in lines] == ["one", "two lines", "", "four"]
    assert kinds(path) == [["bom", "crlf"], ["line-separator"], ["empty"], []]
    assert [line.refused for line in lines] == [False, False, True, False]


def test_a_byte_order_mark_counts_at_the_beginning_only(tmp_path: Path) -> None:
    path = tmp_path / "x.de"
    path.write_bytes("one\n\ufefftwo\n".encode())
    assert kinds(path) == [[], []]
    path.write_bytes("\ufeff\none\n".encode())
    assert kinds(path) == [["bom", "empty"], []]


def test_text_is_composed(tmp_path: Path) -> None:
    assert check_text("e\u0301", 10).text == "\u00e9"


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))))
def test_only_a_line_feed_ends_a_line(tmp_path_factory: pytest.TempPathFactory, texts: Any) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.de"
    path.write_bytes("".join(f"{text}\n" for text in texts).encode())
    lines = list(read_lines(path, 1_000))
    assert len(lines) == len(texts)
    for line, text in zip(lines, texts, strict=True):
        if not line.faults:
            # A CR before the line feed is dropped, and said at the first such line only.
            assert line.text == unicodedata.normalize("NFC", text.removesuffix("\r"))


def test_packed_and_plain_files_read_alike(tmp_path: Path) -> None:
    content = b"eins\nzwei\n\ndrei"
    plain, packed = tmp_path / "x.de", tmp_path / "x.de.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    assert list(read_lines(plain, 100)) == list(read_lines(packed, 100))


def test_a_very_long_line_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.de.gz"
    path.write_bytes(gzip.compress(b"y" * 3_000_000 + b"\nnext\n"))
    long, after = read_lines(path, 100)
    assert long.faults[0].reason.startswith("3,000,000 bytes")
    assert after.text == "next"


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"x" * 999, mtime=0)[:-9]])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.de.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.de\.gz: cannot be read"):
        list(read_lines(path, 100))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.de: cannot be read: No such file"):
        list(read_lines(tmp_path / "none.de", 100))
