from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx_tasks.classification.labelled_files import read_labelled

Write = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good\tpos\nbad\tneg\n", [(("good",), "pos"), (("bad",), "neg")]),
        ("a\tb\t1\nc\td\t0\n", [(("a", "b"), "1"), (("c", "d"), "0")]),
        ("id\tsentence1\tsentence2\tlabel\n7\ta\tb\t1\n", [(("a", "b"), "1")]),
        ("label\ttext\npos\tgood\n", [(("good",), "pos")]),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_layouts(write: Write, text: str, expected: list[object], ending: str) -> None:
    rows = read_labelled(write(f"x.tsv{ending}", text))
    assert [(row.texts, row.label) for row in rows] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\t1\nc\t0\n", r"x\.tsv:2: 2 columns instead of 3"),
        ("a\tpos\n\tneg\n", r"x\.tsv:2: a text or the class is empty"),
        ("just a line\n", r"x\.tsv:1: 1 columns"),
        ("text\tlabel\n", "no rows"),
        ("", "0 columns|1 columns"),
    ],
)
def test_what_cannot_be_read_is_named(write: Write, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labelled(write("x.tsv", text))
