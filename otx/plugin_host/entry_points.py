"""Read which distributions announce plugins, with no more than the files that say so.

``importlib.metadata`` takes longer to import, and reads more, than a short command has time for. Here the folders of
``sys.path`` are searched as it does; what is not a plain folder is left to it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from otx.errors import PluginError

_VALUE = re.compile(r"(?P<module>[\w.]+)\s*(:\s*(?P<attribute>[\w.]+)\s*)?(\[.*\]\s*)?")
_NAME, _VERSION = (
    re.compile(rf"^{field}:\s*(.*?)\s*$", re.MULTILINE) for field in ("Name", "Version")
)
_INFO = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


@dataclass(frozen=True, slots=True)
class Announcing:
    """A distribution with entry points of a group.

    Attributes:
        name: Name of the distribution.
        version: Its version.
        text: Its ``entry_points.txt``.
    """

    name: str
    version: str
    text: str


def announcing(group: str) -> Iterator[Announcing]:
    """Yield the distributions that announce entry points of a group, in the order of ``sys.path``.

    Args:
        group: The group.
    """
    heading = f"[{group}]"
    if not _only_folders():
        yield from _by_importlib(heading)
        return
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue  # as for import
        for name in names:
            ending = os.path.splitext(name)[1]
            if ending in _INFO:
                info = Path(folder, name)
                text = _read(info / "entry_points.txt")
                if heading in text:
                    headers = _read(info / _INFO[ending]).partition("\n\n")[0]
                    yield Announcing(
                        _field(_NAME, headers) or "unnamed", _field(_VERSION, headers), text
                    )


def points(text: str, group: str) -> list[tuple[str, str]]:
    r"""Return name and value of the entry points of a group.

    Args:
        text: An ``entry_points.txt``.
        group: The group.

    Raises:
        PluginError: If a line of the group is not ``name = value``.

    Example:
        >>> points("[otx]\n# ours\nmine = package.module\n[console_scripts]\nx = y:z\n", "otx")
        [('mine', 'package.module')]
    """
    announced = []
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if not equals:
                raise PluginError(f"its entry_points.txt is damaged: {line}")
            announced.append((name.strip(), value.strip()))
    return announced


def load(value: str) -> Any:
    """Import the object that an entry point names.

    Args:
        value: ``module``, ``module:attribute``, or either with extras.

    Raises:
        PluginError: If it is neither.
    """
    match = _VALUE.fullmatch(value)
    if match is None:
        raise PluginError(f"its entry point is '{value}'", "write package.module in its metadata")
    attributes = filter(None, (match["attribute"] or "").split("."))
    return reduce(getattr, attributes, import_module(match["module"]))


def _only_folders() -> bool:
    """Return whether distributions are in the folders of ``sys.path`` alone: no archives, eggs or foreign finders."""
    if any(hasattr(f, "find_distributions") and f is not PathFinder for f in sys.meta_path):
        return False
    return not any(os.path.isfile(path) or path.endswith(".egg") for path in sys.path)


def _by_importlib(heading: str) -> Iterator[Announcing]:
    from importlib import metadata

    for distribution in metadata.distributions():
        text = distribution.read_text("entry_points.txt") or ""
        if heading in text:
            name = str(distribution.metadata["Name"] or "unnamed")
            yield Announcing(name, str(distribution.metadata["Version"] or ""), text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(pattern: re.Pattern[str], headers: str) -> str:
    match = pattern.search(headers)
    return match[1] if match else ""
