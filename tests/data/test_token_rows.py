"""Sub-words of pairs on disk: what is read is what was written, in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from otx.data.token_rows import PairRowReader, PairRows, PairRowWriter
from otx.types import TokenRow

ROW = st.lists(st.tuples(st.integers(0, 300_000), st.integers(-1, 40)), max_size=6).flatmap(
    lambda pairs: st.builds(
        TokenRow,
        st.just([one for one, _ in pairs]),
        st.just([word for _, word in pairs]),
        st.integers(0, 9),
        st.integers(0, 9),
    )
)
PAIRS = st.lists(st.tuples(ROW, ROW), min_size=1, max_size=6)


@given(st.lists(PAIRS, min_size=1, max_size=3), st.data())
def test_rows_come_back_in_any_order(
    tmp_path_factory: object, blocks: list[list[tuple[TokenRow, TokenRow]]], data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("rows")  # type: ignore[attr-defined]
    pairs = [pair for block in blocks for pair in block]
    lines, start = np.arange(len(pairs)) * 3 + 1, 0
    with PairRowWriter(folder) as writer:
        for block in blocks:
            end = start + len(block)
            writer.add(PairRows.of([row for pair in block for row in pair]), lines[start:end])
            start = end
    reader = PairRowReader(folder)
    places = st.lists(st.integers(0, len(pairs) - 1), max_size=8)
    chosen = np.array(data.draw(places), dtype=np.int64)
    source, pivot, numbers = reader.rows(chosen)
    assert [*zip(source, pivot, strict=True)] == [pairs[place] for place in chosen]
    assert numbers == lines[chosen].tolist()
    assert np.concatenate([*reader.lines()]).tolist() == lines.tolist()


@given(PAIRS)
def test_sums_are_those_of_each_text(pairs: list[tuple[TokenRow, TokenRow]]) -> None:
    rows = PairRows.of([row for pair in pairs for row in pair])
    sums = rows.sum_by_text(rows.index >= 0)
    assert sums.tolist() == [
        [sum(w >= 0 for w in row.word_index) for row in pair] for pair in pairs
    ]
    assert rows.sizes.tolist() == [[len(row.ids) for row in pair] for pair in pairs]


def test_nothing_was_written(tmp_path: Path) -> None:
    with PairRowWriter(tmp_path):
        pass
    assert PairRowReader(tmp_path).rows(np.zeros(0, dtype=np.int64)) == ([], [], [])
