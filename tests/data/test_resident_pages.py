"""Reading rows at random leaves none of the files' pages in the process's memory, however large the files are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from otx.data import arrow
from otx.data.arrow import ArrowRows, write_arrow
from otx.data.batches import BatchSampler
from otx.data.length_order import LengthOrder
from otx.data.permutation import LISTED
from otx.data.subset import Subset, pick
from otx.data.token_rows import PairRowReader, PairRows, PairRowWriter
from otx.files.arrays import ArrayWriter, open_array
from otx.types import TokenRow

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/smaps")
RANDOM = np.random.default_rng(0)


def resident(folder: Path) -> int:
    """Return the bytes of a folder's mapped files that are in the memory of this process."""
    size, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split()[0]
        if not first.endswith(":"):
            counts = str(folder) in line
        elif first == "Rss:" and counts:
            size += int(line.split()[1]) * 1024
    return size


def test_pages_of_a_mapped_file_count(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "x.npy", np.int64) as rows:
        rows.add(np.arange(100_000))
    array = open_array(tmp_path / "x.npy")
    assert array.sum() > 0
    assert resident(tmp_path) >= 800_000


def test_rows_of_a_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "BATCH_BYTES", 100_000)
    schema = pa.schema([("text", pa.string())])
    write_arrow(tmp_path / "rows.arrow", schema, ((f"{n} " * 50,) for n in range(20_000)))
    rows = ArrowRows(tmp_path / "rows.arrow")
    assert len(rows.take(RANDOM.integers(0, 20_000, 500))["text"]) == 500
    assert resident(tmp_path) == 0


def test_sub_words_of_pairs(tmp_path: Path) -> None:
    row = TokenRow(list(range(50)), list(range(50)), 50, 0)
    with PairRowWriter(tmp_path) as writer:
        for start in range(0, 3_000, 1_000):
            writer.add(PairRows.of([row] * 2_000), np.arange(start, start + 1_000))
    reader = PairRowReader(tmp_path)
    assert len(reader.rows(RANDOM.integers(0, 3_000, 100))[0]) == 100
    assert resident(tmp_path) == 0
    assert sum(map(len, reader.lines())) == 3_000
    assert resident(tmp_path) == 0


@pytest.mark.parametrize("pairs", [1_000, LISTED + 1])
def test_batches(pairs: int, tmp_path: Path) -> None:
    LengthOrder.write(np.full((pairs, 2), 9, dtype=np.int32), tmp_path)
    sampler = BatchSampler([LengthOrder.read(tmp_path)], batch_tokens=1_000, seed=0)
    assert all(len(batch) for step in range(3) for _, batch in sampler.micro_batches(step))
    assert resident(tmp_path) == 0


def test_a_part_of_a_corpus(tmp_path: Path, corpus: object) -> None:
    with ArrayWriter(tmp_path / "x.npy", np.int64) as rows:
        rows.add(np.arange(100_000) % 3)
    whole = corpus([("a", "1"), ("b", "2"), ("c", "3")])  # type: ignore[operator]
    part = Subset(whole, open_array(tmp_path / "x.npy"))
    assert len(pick(part, RANDOM.integers(0, 100_000, 50))) == 50
    assert part.fingerprint() and len(Subset(part, np.arange(10))) == 10
    assert resident(tmp_path) == 0
