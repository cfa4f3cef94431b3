from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from otx.data import arrow
from otx.data.arrow import BLOCK, ArrowRows, write_arrow

SCHEMA = pa.schema([("text", pa.string()), ("ids", pa.list_(pa.int32()))])


@pytest.mark.parametrize(("size", "batches"), [(1, 3), (2**15, 2), (2**23, 1)])
def test_rows_are_written_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, batches: int
) -> None:
    monkeypatch.setattr(arrow, "BATCH_BYTES", size)
    path = tmp_path / "rows.arrow"
    sizes = []

    def rows() -> Iterator[tuple[str, list[int]]]:
        for number in range(2 * BLOCK + 1):
            yield f"row {number}", [number, number + 1]
            sizes.append(path.stat().st_size)

    write_arrow(path, SCHEMA, rows())
    stored = ArrowRows(path)
    assert len(stored) == 2 * BLOCK + 1
    assert stored[BLOCK] == {"text": f"row {BLOCK}", "ids": [BLOCK, BLOCK + 1]}
    assert len(stored._batches) == batches
    if batches > 1:
        assert sizes[0] < sizes[-1]  # the first blocks were on disk before the last row was made


def test_no_rows(tmp_path: Path) -> None:
    write_arrow(tmp_path / "rows.arrow", SCHEMA, [])
    assert len(ArrowRows(tmp_path / "rows.arrow")) == 0


def test_rows_are_taken_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "BATCH_BYTES", 1)
    count = 3 * BLOCK + 7
    write_arrow(tmp_path / "rows.arrow", SCHEMA, ((f"é{n}", [n] * (n % 3)) for n in range(count)))
    stored = ArrowRows(tmp_path / "rows.arrow")
    for indices in (
        [],
        [5],
        [count - 1, 0, 5, 5, 2_999, 3_000],
        list(range(900, 2_100)),
        [3, 2, 1],
    ):
        taken = stored.take(np.array(indices, dtype=np.int64))
        assert taken["text"] == [f"é{n}" for n in indices]
        assert taken["ids"] == [[n] * (n % 3) for n in indices]
    assert stored[-1] == stored[count - 1] == {"text": f"é{count - 1}", "ids": []}
    for outside in (count, -count - 1):
        with pytest.raises(IndexError):
            stored[outside]
