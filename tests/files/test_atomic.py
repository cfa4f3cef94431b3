from pathlib import Path

import pytest

from otx.errors import OTXError
from otx.files import atomic


def test_writes_a_new_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.bin"
    atomic.write(path, b"\x00content")
    assert path.read_bytes() == b"\x00content"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    atomic.write(path, b"old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OTXError, match=r"file.txt could not be written: No space left on device"):
        atomic.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
