import sys
from pathlib import Path

import pytest

from otx.errors import DataError
from otx_tasks.sample_data import sample_folder


def package(path: Path, *, sample: bool) -> None:
    (path / "otx_corpora" / "sample").mkdir(parents=True) if sample else (
        path / "otx_corpora"
    ).mkdir()
    (path / "otx_corpora" / "__init__.py").write_text("raise ImportError('not to be imported')")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path on which only what the test puts there is found."""
    for name in [name for name in sys.modules if name.split(".")[0] == "otx_corpora"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def test_found_without_importing_its_owner(alone: Path) -> None:
    package(alone, sample=True)
    assert sample_folder() == alone / "otx_corpora" / "sample"


def test_a_missing_sample_is_told(alone: Path) -> None:
    with pytest.raises(DataError, match=r"not installed.*--data"):
        sample_folder()
    package(alone, sample=False)
    with pytest.raises(DataError, match=r"not installed.*--data"):
        sample_folder()
