"""Cached folders: built once, completely or not at all, and looked up by a key of their content.

Bitext, translation memories, the Hub's data sets, tokenised text, features, links and converted encoders are all cached
this way. A manifest holds a digest of each block of each file. A file is verified when a process first opens it. A
folder that differs from what was written is built again.

Hashing ten million pairs (3 GB) takes seconds, for which no command should wait. A large file that the system has not
changed since it was last verified (same inode, size and times) is therefore used at once. It is verified in a thread
meanwhile, and if it is damaged, what reads it next raises DataError.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from otx.errors import DataError, OTXError
from otx.files import atomic
from otx.files.digests import file_digest, short_key
from otx.files.reading import read_object

MANIFEST, STAMPS = "manifest.json", "stamps.json"
BLOCK = 2**24
"""Bytes of a file per digest: 16 MiB."""
PIECE = 2**20
"""Bytes in memory at a time: 1 MiB."""
LARGE = 2**26
"""Bytes from which a file that has not changed is used before it is verified: 64 MiB, which take .1 s."""
SETTLED = 2 * 10**9
"""Nanoseconds after which another change of a file is sure to give it another time."""

_State = tuple[int, int, int, int]
_verified: dict[Path, _State] = {}
"""Files that this process has verified or is verifying, with their state at that time."""
_damaged: list[Path] = []
"""Files that were found damaged while they were in use."""
_waiting: queue.SimpleQueue[tuple[Path, object]] = queue.SimpleQueue()
_verifier: list[threading.Thread] = []


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
                    # Only now: if building fails, for example without a network, the old folder stays.
                    atomic.publish(fresh, folder)
                    _forget(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def unwritable(folder: Path, error: OSError) -> DataError:
    """Return the error to raise if the cache cannot be written.

    Args:
        folder: The folder.
        error: What the system says.
    """
    return DataError(
        f"the cache {folder} cannot be written: {error.strerror or error}",
        "set OTX_CACHE to a folder that you may write to, with enough space",
    )


def content_digest(path: Path) -> str:
    """Hash the bytes of a file, or return the hash of a large file that has not changed since it was hashed.

    Args:
        path: The file.

    Returns:
        What ``otx.files.digests.file_digest`` returns.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        before = _state(path)
    except OSError:
        return file_digest(path)
    # A change right after hashing might not show in the times.
    settled = time.time_ns() - max(before[2:]) > SETTLED
    if before[1] < LARGE or not settled:
        return file_digest(path)
    note = cache_folder() / "digests" / f"{short_key(str(path.resolve()))}.json"
    try:
        known = read_object(note)
    except DataError:
        known = {}
    if known.get("state") == list(before) and isinstance(known.get("digest"), str):
        return str(known["digest"])
    digest = file_digest(path)
    if _state(path) == before:
        # A cache that cannot be written is refused, with its reason, where it is needed.
        with contextlib.suppress(OTXError):
            atomic.write(note, json.dumps({"state": before, "digest": digest}).encode())
    return digest


def refuse_damage() -> None:
    """Refuse to go on with a cached file that was found damaged after it was opened.

    Raises:
        DataError: Naming the file.
    """
    if _damaged:
        raise DataError(
            f"the cached file {_damaged[0]} is damaged: it is not what was written",
            "run the same command again, which builds it anew; check the disk if this happens again",
        )


def _forget(folder: Path) -> None:
    """Forget what was found about the files of a folder that was built again."""
    for path in [path for path in _damaged if folder in path.parents]:
        _damaged.remove(path)
    for path in [path for path in _verified if folder in path.parents]:
        del _verified[path]


def _write_manifest(folder: Path) -> None:
    digests = {path.name: _digests(path) for path in _files(folder)}
    manifest = {"digest": short_key(digests), "files": digests}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    _stamp(folder)


def _stamp(folder: Path) -> None:
    """Record the states of the large files of a folder, which were just verified."""
    if stamps := _large_states(folder):
        (folder / STAMPS).write_text(json.dumps(stamps))


def _large_states(folder: Path) -> dict[str, list[int]]:
    states = {path.name: list(_state(path)) for path in _files(folder)}
    return {name: state for name, state in states.items() if state[1] >= LARGE}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name not in (MANIFEST, STAMPS)]


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
    stamps = _stamps(folder)
    whole = all(
        _is_as_written(folder / name, blocks, stamps.get(name)) for name, blocks in digests.items()
    )
    if whole and stamps != _large_states(folder):
        # Not stamped yet, or copied, so that its files have other inodes. Without a stamp it is verified again.
        with contextlib.suppress(OSError):
            _stamp(folder)
    return whole


def _stamps(folder: Path) -> dict[str, Any]:
    try:
        return read_object(folder / STAMPS)
    except DataError:
        return {}


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


def _is_as_written(path: Path, blocks: object, stamp: object) -> bool:
    try:
        state = _state(path)
        if _verified.get(path) == state:
            return True
        if stamp == list(state):
            _verify_later(path, blocks)
        elif _digests(path) != blocks:
            return False
    except OSError:
        # Missing, or on a damaged part of the disk: built again in either case.
        return False
    _verified[path] = state
    return True


def _state(path: Path) -> _State:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _verify_later(path: Path, blocks: object) -> None:
    _waiting.put((path, blocks))
    if not _verifier:
        _verifier.append(threading.Thread(target=_verify, name="otx-verifier", daemon=True))
        _verifier[0].start()


def _verify() -> None:
    """Verify the files that wait, on what processor time the work leaves."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    while True:
        path, blocks = _waiting.get()
        try:
            damaged = _digests(path, workers=1) != blocks
        except FileNotFoundError:
            # Another process built the folder again; what is mapped here stays.
            continue
        except OSError:
            damaged = True
        if damaged:
            (path.parent / MANIFEST).unlink(missing_ok=True)
            _damaged.append(path)


def _digests(path: Path, workers: int = 4) -> list[str]:
    """Return the digest of each block, in order; an empty file has one."""
    starts = range(0, max(path.stat().st_size, 1), BLOCK)

    def digest(start: int) -> str:
        content = hashlib.blake2b(digest_size=16)
        with path.open("rb") as stream:
            stream.seek(start)
            for done in range(0, BLOCK, PIECE):
                content.update(stream.read(min(PIECE, BLOCK - done)))
        return content.hexdigest()

    if len(starts) == 1 or workers == 1:
        return [digest(start) for start in starts]
    with ThreadPoolExecutor(min(workers, os.cpu_count() or 1)) as pool:
        return list(pool.map(digest, starts))
