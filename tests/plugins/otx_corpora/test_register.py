from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import otx_corpora
from otx.plugin_host.registry import Registry


def test_the_three_corpora_register_and_load() -> None:
    registry = Registry("otx")
    otx_corpora.otx_register(registry)
    assert [entry.name for entry in registry.entries("corpus")] == ["files", "hub", "sample"]
    for entry in registry.entries("corpus"):
        assert callable(entry.load())
        assert entry.options is not None


def test_registering_imports_nothing_heavy() -> None:
    heavy = {"torch", "datasets", "pyarrow", "transformers", "numpy"}
    code = f"import sys, otx_corpora; print(sorted({heavy} & set(sys.modules)))"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{root}:{root / 'plugins'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
