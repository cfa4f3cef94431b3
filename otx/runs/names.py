"""Names of runs: which are allowed, which are taken, and how a new one is reserved."""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from pathlib import Path

from otx.errors import OTXError, UsageError
from otx.runs.record import RECORD, read_begun_record

UNTOUCHED = "untouched-"
"""Prefix of the folders that hold results of an untouched encoder."""
_BAD_NAME = re.compile(r"^[.\-]|[/\\\x00-\x1f]|^$")
_NOT_IN_STEM = re.compile(r"[^\w.]+")


def is_run_name(name: str) -> bool:
    """Return whether ``name`` can be the name of a run's folder.

    Args:
        name: The name. It must not be empty, begin with "." or "-", or contain a slash or a control character.

    Example:
        >>> is_run_name("first"), is_run_name("a/b"), is_run_name(".hidden")
        (True, False, False)
    """
    return _BAD_NAME.search(name) is None


def untouched_name(model: str, digest: str) -> str:
    """Return the name of the folder for the results of an untouched encoder.

    Args:
        model: Reference of the encoder, as ``--model`` takes it.
        digest: The encoder's digest, in hex.

    Example:
        >>> untouched_name("org/xlm-r", "0123456789abcdef")
        'untouched-xlm-r-01234567'
    """
    return f"{UNTOUCHED}{_as_stem(Path(model).name or model)}-{digest[:8]}"


def run_names(root: Path) -> list[str]:
    """Return the names of the runs in ``root``, sorted.

    Args:
        root: Folder of the runs. A subfolder that begins with "." or has no run.json is not a run.
    """
    if not root.is_dir():
        return []
    return sorted(
        path.name
        for path in root.iterdir()
        if not path.name.startswith(".") and (path / RECORD).is_file()
    )


def check_name(root: Path, name: str) -> None:
    """Refuse a name that is taken or not allowed, before any long work begins.

    Args:
        root: Folder of the runs.
        name: The name of a new run.

    Raises:
        UsageError: If the name is not allowed or is taken; the remedy fits the run that has it.
        DataError: If a folder of that name is not a whole run, as ``RunFolder.open``.
    """
    if not is_run_name(name):
        raise UsageError(
            f"'{name}' cannot be the name of a run", "a name has no slash and begins with a letter"
        )
    if (root / name).exists():
        raise _taken(root, name)


def reserve(root: Path, name: str) -> Path:
    """Create the folder of a new run.

    Args:
        root: Folder of the runs, which is created if it does not exist.
        name: Name of the run.

    Returns:
        The empty folder. Of two processes that ask for the same name, only one gets it.

    Raises:
        UsageError: As ``check_name``.
        DataError: As ``check_name``.
        OTXError: If the folder cannot be created.
    """
    check_name(root, name)
    if not _create(root / name):
        raise _taken(root, name)
    return root / name


def reserve_generated(root: Path, stem: str, now: datetime) -> Path:
    """Create the folder of a new run under a generated name.

    The name is ``STEM-YYYYMMDD-HHMMSS``, with ``-2`` and so on if it is taken.

    Args:
        root: Folder of the runs, which is created if it does not exist.
        stem: Any text; characters that a name cannot have become "-".
        now: Time of the creation.

    Returns:
        The empty folder.

    Raises:
        OTXError: If the folder cannot be created.
    """
    base = f"{_as_stem(stem)}-{now:%Y%m%d-%H%M%S}"
    names = itertools.chain([base], (f"{base}-{count}" for count in itertools.count(2)))
    return root / next(name for name in names if _create(root / name))


def _taken(root: Path, name: str) -> UsageError:
    """Return the error for a taken name; raise DataError if the folder of that name is not a whole run."""
    path = root / name
    if not path.is_dir():
        return UsageError(f"{path} is a file", "choose another name")
    record = read_begun_record(path)
    if record["kind"] != "align":
        fact, remedy = "holds the results of an untouched encoder", "choose another name"
    elif record["status"] == "finished":
        fact, remedy = "is a finished run", "choose another name, or remove the folder"
    else:
        fact = f"already exists: a run with status {record['status']}"
        remedy = f"choose another name, or resume it: otx align --resume {name}"
    return UsageError(f"{path} {fact}", remedy)


def _create(path: Path) -> bool:
    """Create a folder; return False if it exists already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise OTXError(f"{path} cannot be made: {error.strerror or error}") from error
    return True


def _as_stem(text: str) -> str:
    return _NOT_IN_STEM.sub("-", text).strip("-.") or "run"
