"""The examples in docstrings run and print what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "otx", ROOT / "plugins")
NEEDS_GPU = ("otx.ot.kernels.entries", "otx.ot.kernels.scaling")
"""Modules that import triton."""
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules_with_examples() -> list[str]:
    """Return the modules of otx and its plugins whose text has an example."""
    names = []
    for folder in FOLDERS:
        base = folder.parent if folder.name == "otx" else folder
        for path in sorted(folder.rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(base).with_suffix("").parts
                names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if name not in NEEDS_GPU]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    examples = 0
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        examples += len(test.examples)
        runner.run(test, out=report.append)
    assert examples, f"{name} has '>>>' outside its docstrings"
    assert not report, "".join(report)


def test_there_are_examples() -> None:
    """Fails when the search finds nothing, which would pass every other test."""
    assert "otx.data.languages" in modules_with_examples()
