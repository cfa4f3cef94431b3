"""Writing a file so that it is either whole or as it was: beside, flushed, renamed."""

from __future__ import annotations

import os
from pathlib import Path

from otx.errors import OTXError


def write(path: Path, content: bytes) -> None:
    """Put ``content`` into ``path``, making its folder.

    Raises OTXError naming the file and its size if it cannot be written.
    """
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        flush(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OTXError(
            f"{path} could not be written: {error.strerror or error}",
            f"{len(content) / 1e6:.1f} MB were to be written; what was there before is untouched",
        ) from error


def flush(path: Path) -> None:
    """Wait until the disk has a file; or a folder, without which a power cut may forget a renaming in it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
