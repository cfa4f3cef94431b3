"""Folders built once from content, whole or not at all, and found again by their key."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock

from otx.errors import DataError
from otx.files.digests import file_digest

MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """Where text that was read is kept: ``$OTX_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("OTX_CACHE") or platformdirs.user_cache_dir("otx"))


def built(folder: Path, build: Callable[[Path], None], *, verify: bool = False) -> Path:
    """Return ``folder``, filled by ``build`` unless it is there already.

    ``build`` writes into a folder beside it, which is renamed when all is written; other processes wait meanwhile. A
    folder in which a file is missing or has another size than it was written with is built anew.

    Args:
        folder: Where the files are kept; its name is the key of their content.
        build: Writes the files into the empty folder that it is given.
        verify: Also keep each file's SHA-256, and build anew where one no longer matches.

    Returns:
        ``folder``.

    Raises:
        DataError: If the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not _whole(folder, verify):
                shutil.rmtree(folder, ignore_errors=True)
                with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as work:
                    fresh = Path(work) / folder.name
                    fresh.mkdir()
                    build(fresh)
                    manifest = {path.name: _state(path, verify) for path in fresh.iterdir()}
                    (fresh / MANIFEST).write_text(json.dumps(manifest))
                    fresh.replace(folder)
    except OSError as error:
        raise DataError(
            f"the cache {folder} cannot be written: {error.strerror or error}",
            "set OTX_CACHE to a folder with space to write",
        ) from error
    return folder


def _whole(folder: Path, verify: bool) -> bool:
    try:
        manifest: dict[str, object] = json.loads((folder / MANIFEST).read_text())
        return all(_state(folder / name, verify) == state for name, state in manifest.items())
    except (FileNotFoundError, NotADirectoryError, ValueError, AttributeError):
        return False


def _state(path: Path, verify: bool) -> object:
    size = path.stat().st_size
    return [size, file_digest(path, "sha256")] if verify else size
