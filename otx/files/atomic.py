"""Write a file or a folder so that it is either complete or unchanged: write beside it, flush, rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otx.errors import OTXError


def write(path: Path, content: bytes) -> None:
    """Write a file, complete or not at all.

    Args:
        path: The file; its folder is created if it does not exist.
        content: The new content.

    Raises:
        OTXError: If the file cannot be written, naming the file and its size.
    """
    with replacing(path, len(content)) as partial:
        partial.write_bytes(content)


@contextmanager
def replacing(path: Path, size: int) -> Iterator[Path]:
    """Give a path to write a file to, and put that file in place of the old one if no error is raised.

    Args:
        path: The file; its folder is created if it does not exist.
        size: Bytes that the new file needs, for the error message.

    Yields:
        A path of this process alone, on the same disk.

    Raises:
        OTXError: If the file cannot be written, naming the file and its size.
    """
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        publish(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OTXError(
            f"{path} could not be written: {error.strerror or error}",
            f"it needs {size / 1e6:.1f} MB; the file as it was before is unchanged",
        ) from error


def publish(partial: Path, target: Path) -> None:
    """Move a complete file or folder to its final path, in place of what is there.

    Args:
        partial: The file or folder, on the same disk as ``target``.
        target: The final path. An old folder there is removed first.

    Raises:
        OSError: If the disk refuses it.
    """
    if partial.is_dir():
        for path in partial.rglob("*"):
            flush(path)
        flush(partial)
        shutil.rmtree(target, ignore_errors=True)
    else:
        flush(partial)
    partial.replace(target)
    flush(target.parent)


def flush(path: Path) -> None:
    """Wait until the disk has the content of a file or a folder.

    Without this, a power cut may undo a renaming inside a folder.

    Args:
        path: The file or folder.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
