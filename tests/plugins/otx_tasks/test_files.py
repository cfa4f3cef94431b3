from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx.files.reading import find_plain_or_gz
from otx.types import Example
from otx_tasks.files import folder_of, refuse_duplicates

Write = Callable[[str, str], Path]


def test_plain_or_packed(write: Write, tmp_path: Path) -> None:
    packed = write("b.txt.gz", "x")
    assert find_plain_or_gz(tmp_path / "b.txt") == packed
    assert find_plain_or_gz(tmp_path / "c.txt") is None
    with pytest.raises(DataError, match="--data"):
        folder_of(str(tmp_path / "c"))


def test_duplicate_ids() -> None:
    twice = [Example("a", "1", {}), Example("a", "2", {})]
    with pytest.raises(DataError, match="here: 1 duplicate ids, the first is a"):
        refuse_duplicates(twice, "here")
