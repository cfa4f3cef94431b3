"""Content digests of files and of JSON values, used as keys of what depends on them.

``hashlib`` is imported by the functions that hash: it loads OpenSSL, for which a listing need not wait.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from otx.errors import DataError


def file_digest(path: Path, algorithm: str = "blake2b") -> str:
    """Hash the bytes of a file.

    Args:
        path: The file.
        algorithm: A name that ``hashlib`` knows. Digests that other programs check use "sha256".

    Returns:
        The hash in hex.

    Raises:
        DataError: If the file cannot be read.
    """
    import hashlib

    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, algorithm).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def folder_digests(folder: Path) -> list[tuple[str, str]]:
    """Return the path and the digest of every file in a folder, by path.

    Args:
        folder: The folder, searched with its subfolders.

    Returns:
        Paths relative to the folder, with ``/``, and digests.

    Raises:
        DataError: If a file cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), file_digest(path)) for path in files]


def content_key(**parts: Any) -> str:
    """Return the key of a result: the SHA-256, in hex, of its parts as canonical JSON.

    Args:
        **parts: JSON values by name; their order does not matter.

    Example:
        >>> content_key(a=1, b=2) == content_key(b=2, a=1)
        True
    """
    import hashlib

    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def short_key(*parts: object) -> str:
    """Return a hash of 32 hex digits of JSON values.

    It names cache folders and is used for fingerprints.

    Args:
        *parts: JSON values; their order matters.

    Example:
        >>> short_key("a", "bc") == short_key("ab", "c")
        False
    """
    import hashlib

    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
