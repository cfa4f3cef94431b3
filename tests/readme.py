"""The code blocks of the README, and the package that it shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language.

    Args:
        language: The word after the fence, such as ``python`` or ``sh``.

    Returns:
        The blocks in their order, without fences.
    """
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def write_package(folder: Path) -> Path:
    """Write the package with an objective that the README shows.

    Args:
        folder: The folder to write into.

    Returns:
        The folder.
    """
    (code,) = blocks("python")
    (project,) = blocks("toml")
    if "project" not in tomllib.loads(project) or "name" not in tomllib.loads(project)["project"]:
        project = f'{project}\n[project]\nname = "otx-centroid"\nversion = "0.1"\n'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_objective.py").write_text(code, encoding="utf-8")
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    return folder
