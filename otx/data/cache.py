"""Folders built once from content, whole or not at all, and found again by their key.

Every cache is one: bitext, translation memories, the Hub's data sets, tokenised text, features, links, converted
encoders. A manifest holds a digest of each block of each file. A file is verified when a process first opens it: the
blocks are hashed in parallel, which takes 0.4 s of one core for a million pairs (200 MB).
A folder that is not as it was written is built anew.
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
"""Bytes of a file that share a digest: 16 MiB."""

_State = tuple[int, int, int]
_verified: dict[Path, _State] = {}
"""Files whose content this process has verified, as they were then."""


def cache_folder() -> Path:
    """Where text that was read is kept: ``$OTX_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("OTX_CACHE") or platformdirs.user_cache_dir("otx"))


def built(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return ``folder``, filled by ``build`` unless it is there as it was written.

    ``build`` writes into a folder beside it, which is renamed when all is written; other processes wait meanwhile.

    Args:
        folder: Where the files are kept; its name is the key of their content.
        build: Writes the files into the empty folder that it is given.

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
                    # Only now: what cannot be built again, without a network or with other draws, stays.
                    shutil.rmtree(folder, ignore_errors=True)
                    fresh.replace(folder)
    except OSError as error:
        raise DataError(
            f"the cache {folder} cannot be written: {error.strerror or error}",
            "set OTX_CACHE to a folder with space to write",
        ) from error
    return folder


def _write_manifest(folder: Path) -> None:
    digests = {path.name: _digests(path) for path in folder.iterdir() if path.name != MANIFEST}
    manifest = {"digest": short_key(digests), "files": digests}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _is_whole(folder: Path) -> bool:
    """Return whether every file is as it was written; each is read once in a process."""
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
    """Return whether otx 0.1.0 wrote the manifest, which holds sizes only, and the files have these sizes."""
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
        # Gone, or on a damaged part of the disk: to be built anew in either case.
        return False
    _verified[path] = state
    return True


def _state(path: Path) -> _State:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _digests(path: Path) -> list[str]:
    """The digest of each block, in order; an empty file has one."""
    starts = range(0, max(path.stat().st_size, 1), BLOCK)

    def digest(start: int) -> str:
        with path.open("rb") as stream:
            stream.seek(start)
            return hashlib.blake2b(stream.read(BLOCK), digest_size=16).hexdigest()

    if len(starts) == 1:
        return [digest(0)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(digest, starts))
