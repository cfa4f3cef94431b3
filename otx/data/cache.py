"""Folders built once from content, whole or not at all, and found again by their key."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock

from otx.errors import DataError

MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """Where text that was read is kept: ``$OTX_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("OTX_CACHE") or platformdirs.user_cache_dir("otx"))


def content_key(*parts: object) -> str:
    """A short hash of JSON-able parts, for names of cache folders and fingerprints."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """A hash of a file's bytes. Raises DataError, naming it, when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "blake2b").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def built(folder: Path, build: Callable[[Path], None]) -> Path:
    """``folder``, filled by ``build`` unless it is there already.

    ``build`` writes into a folder beside it, which is renamed when all is written; other processes
    wait meanwhile. A folder in which a file is missing or has another size than it was written with
    is built anew.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not _whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as work:
                    fresh = Path(work) / folder.name
                    fresh.mkdir()
                    build(fresh)
                    sizes = {path.name: path.stat().st_size for path in fresh.iterdir()}
                    (fresh / MANIFEST).write_text(json.dumps(sizes))
                    fresh.replace(folder)
    except OSError as error:
        raise DataError(
            f"the cache {folder} cannot be written: {error.strerror or error}",
            "set OTX_CACHE to a folder with space to write",
        ) from error
    return folder


def _whole(folder: Path) -> bool:
    manifest = folder / MANIFEST
    if not manifest.exists():
        return False
    sizes: dict[str, int] = json.loads(manifest.read_text())
    files = {name: folder / name for name in sizes}
    return all(path.exists() and path.stat().st_size == sizes[n] for n, path in files.items())
