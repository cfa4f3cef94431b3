"""Use a checkout that is not installed: the metadata by which otx finds its plugins, and the import path."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path

import tomli

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
SITE = ROOT / "runs" / "site"
"""Folder of the metadata."""
PLACES = (ROOT, ROOT / "plugins")
"""Import path of a cell's process."""


def enter() -> None:
    """Make this checkout importable, here and in processes that are started."""
    path = import_path()
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    sys.path += path


def import_path() -> list[str]:
    """Return the entries of PYTHONPATH: this checkout, then the present entries.

    If otx is not installed, its metadata is written into ``SITE``, which is added.
    """
    given = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    path = [*map(str, PLACES), *given]
    try:
        metadata.distribution("otx")
    except metadata.PackageNotFoundError:
        write_metadata(SITE)
        path.append(str(SITE))
    return list(dict.fromkeys(path))


def write_metadata(folder: Path) -> Path:
    """Write the metadata of this checkout, as an installation would.

    It consists of name, version and entry points.

    Args:
        folder: Folder to write into.

    Returns:
        The ``.dist-info`` folder.
    """
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "otx" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'__version__ = "(.+)"', text)
    assert match is not None
    info = folder / f"otx-{match[1]}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {match[1]}\n", encoding="utf-8"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return info
