from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from otx.data import arrow
from otx.data.arrow import BLOCK, open_arrow, write_arrow

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
    stored = open_arrow(path)
    assert len(stored) == 2 * BLOCK + 1
    assert stored[BLOCK] == {"text": f"row {BLOCK}", "ids": [BLOCK, BLOCK + 1]}
    assert stored.data.column("text").num_chunks == batches
    if batches > 1:
        assert sizes[0] < sizes[-1]  # the first blocks were on disk before the last row was made


def test_no_rows(tmp_path: Path) -> None:
    write_arrow(tmp_path / "rows.arrow", SCHEMA, [])
    assert len(open_arrow(tmp_path / "rows.arrow")) == 0
