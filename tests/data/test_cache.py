from __future__ import annotations

from pathlib import Path

import pytest

from otx.data.cache import built
from otx.errors import DataError
from otx.files.digests import short_key


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


@pytest.mark.parametrize(
    "manifest", ["", "[]", "null", '{"x": 5}', '{"x": [5, "0"]}', '{"y/z": 5}']
)
@pytest.mark.parametrize("verify", [True, False])
def test_a_folder_with_another_manifest_is_built_anew(
    tmp_path: Path, manifest: str, verify: bool
) -> None:
    times = []

    def build(folder: Path) -> None:
        times.append(folder)
        (folder / "x").write_text("a whole file")

    built(tmp_path / "key", build, verify=verify)
    (tmp_path / "key" / "manifest.json").write_text(manifest)
    assert (built(tmp_path / "key", build, verify=verify) / "x").read_text() == "a whole file"
    assert len(times) == 2


def test_a_flipped_byte_is_noticed_where_digests_are_kept(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "x").write_text("whole")

    for verify, expected in ((False, "Whole"), (True, "whole")):
        path = built(tmp_path / str(verify), build, verify=verify) / "x"
        path.write_text("Whole")
        assert (built(path.parent, build, verify=verify) / "x").read_text() == expected


def test_keys_tell_parts_apart() -> None:
    assert short_key("a", "bc") != short_key("ab", "c")
    assert short_key({"a": 1, "b": 2}) == short_key({"b": 2, "a": 1})
