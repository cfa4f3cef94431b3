import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx.types import Example
from otx_tasks.files import existing, folder_of, read_lines, read_text, refuse_duplicates

Write = Callable[[str, str], Path]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_lines_end_at_line_feeds_only(write: Write, name: str) -> None:
    path = write(name, "\ufeffone\u2028two\r\nthree\x0bfour\n\nlast")
    assert read_lines(path) == ["one\u2028two", "three\x0bfour", "", "last"]


def test_broken_files_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"fine\nBr\xfccke\n")
    with pytest.raises(DataError, match=r"latin\.txt:2: not UTF-8"):
        read_text(latin)
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    with pytest.raises(DataError, match=r"cut\.txt\.gz: cannot be read"):
        read_text(cut)
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        read_text(tmp_path / "none.txt")


def test_plain_or_packed(write: Write, tmp_path: Path) -> None:
    packed = write("b.txt.gz", "x")
    assert existing(tmp_path / "b.txt") == packed
    assert existing(tmp_path / "c.txt") is None
    with pytest.raises(DataError, match="--data"):
        folder_of(str(tmp_path / "c"))


def test_duplicate_ids() -> None:
    twice = [Example("a", "1", {}), Example("a", "2", {})]
    with pytest.raises(DataError, match="here: 1 duplicate ids, the first is a"):
        refuse_duplicates(twice, "here")
