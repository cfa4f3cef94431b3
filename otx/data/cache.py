"""Cached folders: built once, completely or not at all, and looked up by a key of their content.

Bitext, translation memories, the Hub's data sets, tokenised text, features, links and converted encoders are all cached
this way. A manifest holds a digest of each block of each file. A file is verified when a process first opens it: the
blocks are hashed in parallel, which takes 0.4 s of one core for a million pairs (200 MB). A folder that differs from
what was written is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from otx.errors import DataError
from otx.files.digests import short_key
from otx.files.reading import read_object

MANIFEST = "manifest.json"
BLOCK = 2**24
"""Bytes of a file per digest: 16 MiB."""

_State = tuple[int, int, int]
_verified: dict[Path, _State] = {}
"""Files that this process has verified, with their state at that time."""


def cache_folder() -> Path:
    """Return otx's cache folder: ``$OTX_CACHE``, otherwise in the user's cache folder."""
    return Path(os.environ.get("OTX_CACHE") or platformdirs.user_cache_dir("otx"))


def built(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return a cached folder, built first if it is missing or damaged.

    ``build`` writes into a temporary folder, which is renamed when it is complete. Other processes wait meanwhile.

    Args:
        folder: The cached folder; its name is the key of its content.
        build: Writes the files into the empty folder that it receives.

    Returns:
        ``folder``.

    Raises:
        DataError: If the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not _is_whole(folder):
                with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as work:
                    fresh = Path(work) / folder.name
                    fresh.mkdir()
                    build(fresh)
                    _write_manifest(fresh)
                    # Removed only now: if building fails, for example without a network, the old folder stays.
                    shutil.rmtree(folder, ignore_errors=True)
                    fresh.replace(folder)
    except OSError as error:
        raise DataError(
            f"the cache {folder} cannot be written: {error.strerror or error}",
            "set OTX_CACHE to a folder that you may write to, with enough space",
        ) from error
    return folder


def _write_manifest(folder: Path) -> None:
    digests = {path.name: _digests(path) for path in folder.iterdir() if path.name != MANIFEST}
    manifest = {"digest": short_key(digests), "files": digests}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _is_whole(folder: Path) -> bool:
    """Return whether every file is as it was written; each file is read once per process."""
    try:
        manifest = read_object(folder / MANIFEST)
    except DataError:
        return False
    if _is_of_sizes(folder, manifest):
        _write_manifest(folder)
        return True
    digests = manifest.get("files")
    if not isinstance(digests, dict) or manifest.get("digest") != short_key(digests):
        return False
    return all(_is_as_written(folder / name, blocks) for name, blocks in digests.items())


def _is_of_sizes(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Return whether the manifest is of otx 0.1.0, which has sizes only, and the files have these sizes."""
    sizes = {
        name: size[0] if isinstance(size, list) and size else size
        for name, size in manifest.items()
    }
    try:
        return bool(sizes) and all(
            type(size) is int and (folder / name).stat().st_size == size
            for name, size in sizes.items()
        )
    except OSError:
        return False


def _is_as_written(path: Path, blocks: object) -> bool:
    try:
        state = _state(path)
        if _verified.get(path) == state:
            return True
        if _digests(path) != blocks:
            return False
    except OSError:
        # Missing, or on a damaged part of the disk: built again in either case.
        return False
    _verified[path] = state
    return True


def _state(path: Path) -> _State:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _digests(path: Path) -> list[str]:
    """Return the digest of each block, in order; an empty file has one."""
    starts = range(0, max(path.stat().st_size, 1), BLOCK)

    def digest(start: int) -> str:
        with path.open("rb") as stream:
            stream.seek(start)
            return hashlib.blake2b(stream.read(BLOCK), digest_size=16).hexdigest()

    if len(starts) == 1:
        return [digest(0)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(digest, starts))
