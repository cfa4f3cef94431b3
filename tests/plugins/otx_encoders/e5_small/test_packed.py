from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from otx.errors import DataError
from otx_encoders.e5_small.packed import PackedModel, read_packed, write_packed


def test_what_is_written_is_read_back(packed: PackedModel, tmp_path: Path) -> None:
    write_packed(packed, tmp_path / "model.bin")
    again = read_packed(tmp_path / "model.bin")
    assert replace(again.shape, epsilon=packed.shape.epsilon) == packed.shape
    assert again.shape.epsilon == pytest.approx(packed.shape.epsilon, rel=1e-6)
    assert again.pieces == packed.pieces
    assert (again.scores == packed.scores).all()
    assert again.special == packed.special
    assert again.characters == packed.characters
    assert {name: bytes(tensor.data) for name, tensor in again.tensors.items()} == {
        name: bytes(tensor.data) for name, tensor in packed.tensors.items()
    }


def test_a_weight_is_its_half_byte_less_eight_times_the_scale(packed: PackedModel) -> None:
    tensor = packed.tensors["l0.q.w"]
    expected = []
    for start in range(0, len(tensor.data), 18):
        (scale,) = struct.unpack_from("<e", tensor.data, start)
        halves = [byte & 15 for byte in tensor.data[start + 2 : start + 18]]
        halves += [byte >> 4 for byte in tensor.data[start + 2 : start + 18]]
        expected += [np.float32(half - 8) * np.float32(scale) for half in halves]
    assert tensor.unpack().tolist() == [float(weight) for weight in expected]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_cut_file_is_refused_by_name(packed: PackedModel, tmp_path: Path, share: float) -> None:
    path = tmp_path / "model.bin"
    write_packed(packed, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"model\.bin: damaged packed encoder"):
        read_packed(path)


def test_every_cut_within_the_head_is_refused(packed: PackedModel, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    write_packed(packed, path)
    content = path.read_bytes()
    for end in range(4, 900, 7):
        path.write_bytes(content[:end])
        with pytest.raises(DataError, match="damaged packed encoder"):
            read_packed(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(DataError, match="not a packed encoder"):
        read_packed(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_packed(tmp_path / "absent.bin")


def test_another_version_is_refused(packed: PackedModel, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    write_packed(packed, path)
    content = bytearray(path.read_bytes())
    content[4] = 9
    path.write_bytes(content)
    with pytest.raises(DataError, match="version 9"):
        read_packed(path)
