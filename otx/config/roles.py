"""Roles of options: what a content key takes from a plugin's options.

Every option is part of the key of what depends on it, unless its field declares a role:

    data: str | None = field(default=None, metadata=PATH)
    lr: float = field(default=2e-5, metadata=OPTIMISATION)

- ``PATH``: where data is stored. The key takes the content's digest instead: a task's fingerprints cover its files,
  and otx digests the file or folder that an option of an objective or encoder names.
- ``OPTIMISATION``: how a head is trained, which does not shape the features of a task (``TransferTask.features``).
  Only the cache of features leaves it out; a result's key has it.

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
    """Return the role that a field declares, None for an ordinary option.

    Raises:
        PluginError: If there is no such role.
    """
    name: str | None = field.metadata.get("role")
    if name is not None and name not in _ROLES:
        raise PluginError(
            f"option {field.name} declares the role {name!r}", f"roles are {', '.join(_ROLES)}"
        )
    return name


def keyed_options(options: Any, *, leave_out: tuple[str, ...] = ("path",)) -> dict[str, Any]:
    """Return the options that a key takes as JSON values.

    Args:
        options: A plugin's options: a dataclass, or None for a plugin without options.
        leave_out: Roles whose options the key leaves out.

    Returns:
        Option name to value.
    """
    if not dataclasses.is_dataclass(options):
        return {}
    names = [f.name for f in dataclasses.fields(options) if role(f) not in leave_out]
    plain: dict[str, Any] = json.loads(json.dumps({name: getattr(options, name) for name in names}))
    return plain


def digested_options(options: Any) -> dict[str, Any]:
    """Return every option as a JSON value, with the content's digest in place of a path.

    Args:
        options: A plugin's options: a dataclass, or None for a plugin without options.

    Returns:
        Option name to value; for a path that is not set, None.

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
