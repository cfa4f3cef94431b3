from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from otx.data import cache, derived, inference
from otx.data.cache import built
from otx.data.filters import FilterSettings, filter_corpus
from otx.data.holdout import split
from otx.data.length_order import LengthOrder
from otx.errors import DataError
from otx.files.digests import file_digest, short_key


def test_a_folder_is_built_once(tmp_path: Path) -> None:
    times = []

    def build(folder: Path) -> None:
        times.append(folder)
        (folder / "x").write_text("whole")

    for _ in range(2):
        assert (built(tmp_path / "deep" / "key", build) / "x").read_text() == "whole"
    assert len(times) == 1


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "x").write_text("half")
        raise ValueError

    with pytest.raises(ValueError):
        built(tmp_path / "key", fail)
    assert not (tmp_path / "key").exists()
    assert [path.name for path in tmp_path.iterdir()] in ([], ["key.lock"])


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*OTX_CACHE"):
        built(tmp_path / "file" / "key", lambda folder: None)


def counted(folder: Path, content: str = "a whole file") -> tuple[Path, list[Path]]:
    """Build the folder, or find it; also the list of the builds that took place."""
    times: list[Path] = []

    def build(fresh: Path) -> None:
        times.append(fresh)
        (fresh / "x").write_text(content)
        (fresh / "empty").touch()

    return built(folder, build), times


MANIFESTS = ["", "{", "[]", "null", "{}", '{"files": {}}', '{"x": 11}', "[" * 100_000, "9" * 5_000]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_folder_with_a_damaged_manifest_is_built_anew(tmp_path: Path, manifest: str) -> None:
    folder, _ = counted(tmp_path / "key")
    (folder / "manifest.json").write_text(manifest)
    _, times = counted(folder)
    assert len(times) == 1 and (folder / "x").read_text() == "a whole file"
    assert counted(folder)[1] == []


@pytest.mark.parametrize(
    "manifest", ['{"x": 12, "empty": 0}', '{"x": [12, "00"], "empty": [0, "00"]}']
)
def test_a_manifest_of_sizes_only_is_trusted_once(tmp_path: Path, manifest: str) -> None:
    """otx 0.1.0 wrote those; what cannot be built again, without a network or with other draws, is not lost."""
    folder, _ = counted(tmp_path / "key")
    (folder / "manifest.json").write_text(manifest)
    assert counted(folder)[1] == []
    (folder / "x").write_text("a whole fil!")
    assert len(counted(folder)[1]) == 1


def test_a_folder_that_cannot_be_built_anew_stays(tmp_path: Path) -> None:
    folder, _ = counted(tmp_path / "key")
    (folder / "x").write_text("changed")

    def fail(fresh: Path) -> None:
        raise DataError("no network")

    with pytest.raises(DataError, match="no network"):
        built(folder, fail)
    assert (folder / "x").read_text() == "changed"


def test_a_manifest_edited_to_name_less_is_damaged(tmp_path: Path) -> None:
    folder, _ = counted(tmp_path / "key")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["x"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert len(counted(folder)[1]) == 1


@pytest.mark.parametrize("block", [4, 2**24])
def test_any_changed_byte_builds_the_folder_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(cache, "BLOCK", block)
    folder, _ = counted(tmp_path / "key")
    for place in range(len("a whole file")):
        raw = bytearray((folder / "x").read_bytes())
        raw[place] ^= 1
        (folder / "x").write_bytes(raw)
        assert len(counted(folder)[1]) == 1 and (folder / "x").read_text() == "a whole file"
    (folder / "x").write_text("a whole")
    assert len(counted(folder)[1]) == 1
    (folder / "empty").unlink()
    assert len(counted(folder)[1]) == 1


def test_a_file_is_hashed_once_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = counted(tmp_path / "key")
    counted(folder)
    monkeypatch.setattr(cache, "_digests", lambda path: pytest.fail(f"{path} is hashed again"))
    assert counted(folder)[1] == []


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files of a byte be large, and forget what this process has verified."""
    monkeypatch.setattr(cache, "LARGE", 1)
    monkeypatch.setattr(cache, "_verified", {})
    monkeypatch.setattr(cache, "_damaged", [])


def waited(seconds: float = 20.0) -> None:
    """Wait until the verifier has found damage."""
    end = time.monotonic() + seconds
    while not cache._damaged and time.monotonic() < end:
        time.sleep(0.01)


def test_a_large_file_is_used_at_once_and_verified_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: None
) -> None:
    folder, _ = counted(tmp_path / "key")
    monkeypatch.setattr(cache, "_verified", {})
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_verify_later", lambda path, blocks: None)
        patch.setattr(cache, "_digests", lambda path: pytest.fail(f"waits for {path}"))
        # The empty file is not large.
        (folder / "empty").unlink()
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["files"]["empty"]
        manifest["digest"] = short_key(manifest["files"])
        (folder / "manifest.json").write_text(json.dumps(manifest))
        assert counted(folder)[1] == []
    cache.refuse_damage()


def test_damage_that_the_system_does_not_show_is_found_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: None
) -> None:
    folder, _ = counted(tmp_path / "key")
    (folder / "x").write_text("a whole fill")
    stamps = {"x": list(cache._state(folder / "x"))}
    (folder / "stamps.json").write_text(json.dumps(stamps))
    monkeypatch.setattr(cache, "_verified", {})
    assert counted(folder)[1] == []
    waited()
    with pytest.raises(DataError, match=r"x is damaged.*run the same command again"):
        cache.refuse_damage()
    assert len(counted(folder)[1]) == 1 and (folder / "x").read_text() == "a whole file"
    # This process, such as a notebook, goes on.
    cache.refuse_damage()
    assert not cache._verified


def test_a_large_file_that_changed_or_moved_is_verified_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: None
) -> None:
    folder, _ = counted(tmp_path / "key")
    times = (folder / "x").stat().st_mtime_ns
    (folder / "x").write_text("a whole fill")
    os.utime(folder / "x", ns=(times, times))
    assert len(counted(folder)[1]) == 1
    shutil.copytree(folder, tmp_path / "copy")
    assert counted(tmp_path / "copy")[1] == []
    stamps = json.loads((tmp_path / "copy" / "stamps.json").read_text())
    assert stamps == {"x": list(cache._state(tmp_path / "copy" / "x"))}


def test_the_digest_of_a_large_file_is_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: None, cache_settled: None
) -> None:
    path = tmp_path / "x"
    path.write_text("one")
    first = cache.content_digest(path)
    assert first == file_digest(path)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "file_digest", lambda path: pytest.fail("hashed again"))
        assert cache.content_digest(path) == first
    path.write_text("two")
    assert cache.content_digest(path) == file_digest(path) != first
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        cache.content_digest(path)


@pytest.fixture
def cache_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file be settled at once."""
    monkeypatch.setattr(cache, "SETTLED", -1)


def test_a_file_that_just_changed_is_not_remembered(tmp_path: Path, large: None) -> None:
    path = tmp_path / "x"
    path.write_text("one")
    cache.content_digest(path)
    assert not (cache.cache_folder() / "digests").exists()


def test_keys_tell_parts_apart() -> None:
    assert short_key("a", "bc") != short_key("ab", "c")
    assert short_key({"a": 1, "b": 2}) == short_key({"b": 2, "a": 1})


@pytest.mark.parametrize("use", ["filter", "split", "lengths", "vectors"])
def test_a_full_disk_is_an_error_and_not_a_signal(
    corpus: Any, use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mapped file whose space is not reserved kills the process when it is written."""

    def no_space(*arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_space)
    monkeypatch.setattr(derived, "FEW", 0)
    monkeypatch.setattr(inference, "IN_MEMORY", 1)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path))
    pairs = corpus([(f"a{n}", f"b{n}") for n in range(20)])
    encoder: Any = SimpleNamespace(dimension=3)
    uses: dict[str, Callable[[], object]] = {
        "filter": lambda: filter_corpus(pairs, FilterSettings()),
        "split": lambda: split([pairs], 2, 0),
        "lengths": lambda: built(
            tmp_path / "key", lambda folder: LengthOrder.write(np.ones((4, 2), int), folder)
        ),
        "vectors": lambda: inference.encode_texts(encoder, ["a", "b"], -1, 1),
    }
    with pytest.raises(DataError, match=r"cannot be written: No space left on device.*OTX_CACHE"):
        uses[use]()
