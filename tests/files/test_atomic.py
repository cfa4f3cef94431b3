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


def test_a_folder_is_published_whole_in_place_of_the_old_one(tmp_path: Path) -> None:
    partial, target = tmp_path / ".partial", tmp_path / "whole"
    (partial / "deep").mkdir(parents=True)
    (partial / "deep" / "new").write_text("new")
    target.mkdir()
    (target / "old").write_text("old")
    atomic.publish(partial, target)
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "deep",
        "deep/new",
    ]


def test_nothing_is_replaced_before_everything_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial, target = tmp_path / ".partial", tmp_path / "whole"
    for folder, text in ((partial, "new"), (target, "old")):
        folder.mkdir()
        (folder / "file").write_text(text)

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left on device"):
        atomic.publish(partial, target)
    assert (target / "file").read_text() == "old" and (partial / "file").read_text() == "new"


def test_a_finished_file_is_published_over_an_old_one(tmp_path: Path) -> None:
    partial, target = tmp_path / ".partial", tmp_path / "file"
    partial.write_text("new")
    target.write_text("old")
    atomic.publish(partial, target)
    assert target.read_text() == "new" and not partial.exists()
