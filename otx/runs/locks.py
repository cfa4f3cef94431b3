"""Locks between processes: the run as a whole, its record, and claims on pieces of work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otx.errors import OTXError

LOCK, RECORD_LOCK, CLAIMS = ".lock", ".record.lock", ".claims"
"""Names in a run folder: the run's lock, the record's lock, and the folder of the claims."""


@contextmanager
def try_lock(path: Path) -> Iterator[str | None]:
    """Hold a lock file for the time of the block, if no other process does.

    The operating system releases the lock when its process ends, however that ends.

    Args:
        path: The lock file; its folder must exist.

    Yields:
        None if this process holds the lock, otherwise the pid of the process that does, or "unknown".

    Raises:
        OTXError: If the folder does not allow a lock.
    """
    from filelock import FileLock, Timeout

    # Not in the lock file itself: older filelocks empty it on every attempt.
    note = path.with_name(f"{path.name}.pid")
    try:
        lock = FileLock(path).acquire(timeout=0)
    except Timeout:
        yield note.read_text().strip() or "unknown" if note.exists() else "unknown"
        return
    except OSError as error:
        raise OTXError(f"{path.parent} cannot be locked: {error.strerror or error}") from error
    with lock:
        note.write_text(str(os.getpid()))
        yield None
