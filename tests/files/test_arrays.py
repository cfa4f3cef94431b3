from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otx.files.arrays import ArrayWriter, create_array, open_array, release, scan


@pytest.mark.parametrize("width", [None, 2])
def test_rows_written_in_pieces_are_one_array(tmp_path: Path, width: int | None) -> None:
    rows = np.arange(46).reshape(-1, *([] if width is None else [width]))
    with ArrayWriter(tmp_path / "x.npy", np.int32, width) as writer:
        for start in range(0, len(rows), 7):
            writer.add(rows[start : start + 7])
    for array in (open_array(tmp_path / "x.npy"), np.load(tmp_path / "x.npy")):
        assert array.dtype == np.int32 and (array == rows).all()


def test_an_array_without_rows(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "x.npy", np.uint64, width=2):
        pass
    assert open_array(tmp_path / "x.npy").shape == (0, 2)


def test_released_pages_keep_what_was_written(tmp_path: Path) -> None:
    written = create_array(tmp_path / "x.npy", np.int64, (10_000,))
    for start, block in scan(written, 3_000):
        block[:] = start + np.arange(len(block))
    release(written, np.arange(3), written[5:].reshape(-1, 5))
    assert (written == np.arange(10_000)).all()
    assert (open_array(tmp_path / "x.npy") == np.arange(10_000)).all()


@pytest.mark.parametrize("shape", [(300_000, 2), (0, 2), (0,)])
def test_a_created_array_has_its_space_and_is_zero(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "x.npy"
    created = create_array(path, np.int32, shape)
    status = path.stat()
    assert status.st_size == created.nbytes + 128 and status.st_blocks * 512 >= status.st_size
    assert created.dtype == np.int32 and created.shape == shape and not created.any()
    created += 3
    assert (np.load(path) == np.full(shape, 3)).all()


def test_a_system_that_cannot_reserve_space_extends_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.posix_fallocate")
    create_array(tmp_path / "x.npy", np.float64, (5,))[2] = 1
    assert np.load(tmp_path / "x.npy").tolist() == [0, 0, 1, 0, 0]
