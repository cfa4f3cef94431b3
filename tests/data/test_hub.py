"""One home for the Hub: one attempt, nothing on the screen, one error with a remedy."""

from __future__ import annotations

import logging
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from otx.data.hub import HubFiles, cached_folder, download, quiet_client
from otx.errors import DataError

FILES = HubFiles("org/name", "dataset", ["de/test-*.parquet"])


def test_what_fails_is_one_error_and_nothing_is_logged(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    attempts = []

    def fail(name: str, *, local_files_only: bool, **_: object) -> str:
        attempts.append(local_files_only)
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        if local_files_only:
            raise LocalEntryNotFoundError("not here")
        raise OSError("Could not connect. Set HF_HUB_OFFLINE=1 instead.\nAnd so on.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    assert cached_folder(FILES) is None
    with pytest.raises(DataError) as raised:
        download(FILES, "give the files with --data")
    assert str(raised.value) == (
        "org/name (de/test-*.parquet): not in the Hugging Face cache, and downloading it failed "
        "(Could not connect) (give the files with --data)"
    )
    assert attempts == [True, False] and capfd.readouterr() == ("", "")


def test_the_clients_log_is_as_before_afterwards() -> None:
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    with pytest.raises(ValueError), quiet_client():
        assert not logger.isEnabledFor(logging.ERROR)
        raise ValueError
    assert logger.level == before


def test_a_cached_folder_needs_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert cached_folder(FILES) == tmp_path
