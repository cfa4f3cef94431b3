from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from otx.data import partitions
from otx.data.partitions import Partitions

RECORD = np.dtype([("key", np.uint64), ("number", np.int64)])


@pytest.mark.parametrize("part", [1, 30, 1_000])
def test_records_come_back_by_key_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(partitions, "PART", part)
    random = np.random.default_rng(1)
    records = np.empty(200, dtype=RECORD)
    records["key"] = random.choice(random.integers(2**64, size=40, dtype=np.uint64), 200)
    records["number"] = np.arange(200)
    made = Partitions(tmp_path, RECORD, 200)
    for start in range(0, 200, 33):
        made.add(records[start : start + 33])
    parts = list(made.read())
    assert len(parts) >= 200 / part / 2
    assert np.concatenate(parts).tolist() != records.tolist() or len(parts) == 1
    assert sorted(np.concatenate(parts).tolist()) == sorted(records.tolist())
    ends = [(one["key"].min(), one["key"].max()) for one in parts if len(one)]
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    assert all((np.diff(one["number"]) > 0).all() for one in parts)
    assert not list(tmp_path.iterdir())


def test_there_are_never_more_parts_than_files_may_be_open(tmp_path: Path) -> None:
    keys = np.random.default_rng(1).integers(2**64, size=2_000, dtype=np.uint64)
    many = Partitions(tmp_path, np.uint64, 10**9)
    assert len(list(tmp_path.iterdir())) == 256
    many.add(keys)
    ascending = np.concatenate([np.sort(part) for part in many.read()])
    assert (ascending == np.sort(keys)).all()
