from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError
from otx.files import reading
from otx.files.reading import (
    find_plain_or_gz,
    parse_json,
    read_bytes,
    read_json,
    read_lines,
    read_object,
    read_text,
)
from tests.examples import examples


def test_a_sparse_file_is_refused_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "huge.gold"
    with path.open("wb") as file:
        file.truncate(2**32)
    with pytest.raises(DataError, match=r"huge\.gold: more than 1 MiB"):
        read_bytes(path, 2**20)


def test_a_packed_file_is_refused_at_the_unpacked_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(2**22)))
    assert path.stat().st_size < 2**14
    with pytest.raises(DataError, match="more than 2 MiB"):
        read_bytes(path, 2**21)
    assert len(read_bytes(path, 2**22)) == 2**22


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"x" * 99, mtime=0)[:-9]], ids=["other", "cut"]
)
def test_a_damaged_gz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.gz: cannot be read"):
        read_text(path)


def test_text_that_is_not_utf8_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\nb\n\xff\n")
    with pytest.raises(DataError, match=r"x\.txt:3: not UTF-8"):
        read_lines(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.json: no such file"):
        read_json(tmp_path / "x.json")


def test_a_line_beyond_the_limit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 10)
    path = tmp_path / "x.txt"
    path.write_text("short\n" + "x" * 11 + "\n")
    with pytest.raises(DataError, match=r"x\.txt:2: a line of 11 characters"):
        read_lines(path)


@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
@examples(50)
def test_lines_end_at_line_feeds_only(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(text.encode())
    plain = text.removeprefix("\ufeff")
    lines = [line.removesuffix("\r") for line in plain.split("\n")]
    assert read_lines(path) == (lines[:-1] if plain == "" or plain.endswith("\n") else lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5000, "too many digits"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_json_that_cannot_be_read_is_a_fault_of_the_file(text: str | bytes, reason: str) -> None:
    with pytest.raises(DataError, match=rf"x\.json:7: .*{reason}"):
        parse_json(text, "x.json:7")


@pytest.mark.parametrize("value", [[], None, "text", 1, ["x" * 10_000]])
def test_another_value_than_an_object_is_shown_in_short(tmp_path: Path, value: object) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match="not a JSON object") as caught:
        read_object(path)
    assert len(str(caught.value)) < 250 + len(str(path))


def test_the_plain_file_goes_before_the_packed_one(tmp_path: Path) -> None:
    path, packed = tmp_path / "a.de", tmp_path / "a.de.gz"
    assert find_plain_or_gz(path) is None
    packed.write_bytes(gzip.compress(b"x"))
    assert find_plain_or_gz(path) == packed
    path.mkdir()
    assert find_plain_or_gz(path) == packed
    path.rmdir()
    path.write_text("x")
    assert find_plain_or_gz(path) == path
