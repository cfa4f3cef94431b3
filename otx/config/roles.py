"""Roles of options: which of a plugin's options a content key includes.

Every option is part of the key of what depends on it, unless its field declares a role:

    data: str | None = field(default=None, metadata=PATH)
    lr: float = field(default=2e-5, metadata=OPTIMISATION)

- ``PATH``: the place of data. The key has the digest of the content instead: a task's fingerprints cover its files, and
  otx digests the file or folder that an option of an objective or encoder names.
- ``OPTIMISATION``: how a head is trained, which does not change the features of a task (``TransferTask.features``).
  Only the cache of features leaves it out; the key of a result has it.

The names of options never decide.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from otx.errors import PluginError
from otx.files.digests import file_digest, folder_digests, short_key

PATH: Mapping[str, str] = MappingProxyType({"role": "path"})
OPTIMISATION: Mapping[str, str] = MappingProxyType({"role": "optimisation"})

_ROLES = ("path", "optimisation")


def role(field: dataclasses.Field[Any]) -> str | None:
    """Return the role that a field declares; None for an ordinary option.

    Args:
        field: A field of an options dataclass.

    Raises:
        PluginError: If the role is unknown.
    """
    name: str | None = field.metadata.get("role")
    if name is not None and name not in _ROLES:
        raise PluginError(
            f"option {field.name} declares the role {name!r}", f"roles are {', '.join(_ROLES)}"
        )
    return name


def keyed_options(options: Any, *, leave_out: tuple[str, ...] = ("path",)) -> dict[str, Any]:
    """Return the options that a content key includes, as JSON values.

    Args:
        options: A plugin's options: a dataclass, or None for a plugin without options.
        leave_out: Roles whose options the key leaves out.

    Returns:
        Values by name.

    Example:
        >>> @dataclasses.dataclass
        ... class Options:
        ...     data: str | None = dataclasses.field(default=None, metadata=PATH)
        ...     lr: float = 0.5
        >>> keyed_options(Options(data="x"))
        {'lr': 0.5}
    """
    if not dataclasses.is_dataclass(options):
        return {}
    names = [f.name for f in dataclasses.fields(options) if role(f) not in leave_out]
    plain: dict[str, Any] = json.loads(json.dumps({name: getattr(options, name) for name in names}))
    return plain


def digested_options(options: Any) -> dict[str, Any]:
    """Return every option as a JSON value, with the digest of the content in place of a path.

    Args:
        options: A plugin's options: a dataclass, or None for a plugin without options.

    Returns:
        Values by name; None for a path that is not set.

    Raises:
        DataError: If a file that a path names cannot be read.
    """
    if not dataclasses.is_dataclass(options):
        return {}
    places = [f.name for f in dataclasses.fields(options) if role(f) == "path"]
    return keyed_options(options) | {name: _digest(getattr(options, name)) for name in places}


def _digest(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_digest(one) for one in value]
    if value is None:
        return None
    path = Path(value).expanduser()
    if not path.is_dir():
        return file_digest(path)
    return short_key(folder_digests(path))
