"""What is asked for most often must not wait for what it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "datasets", "ot", "numpy", "pyarrow", "pandas", "scipy")

SCRIPT = """
import sys
from otx.cli import run
code = run(sys.argv[1:])
print(*(name for name in {heavy} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("align", "--help"),
        ("eval", "--help"),
        ("compare", "--help"),
        ("list", "objectives"),
        ("list", "tasks", "--json"),
        ("plugins", "list"),
        ("config", "show"),
        ("align", "--objective", "sinkhron"),
        ("align", "--set", "sinkhorn.epsilonn=1"),
        ("align", "--corpus", "smaple"),
        ("eval", "xqad"),
        ("eval", "retrieval", "--run", "nothing"),
    ],
)
def test_nothing_heavy_is_imported(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(heavy=HEAVY), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "", done.stderr


def test_completion_imports_nothing_heavy_either(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "_OTX_COMPLETE": "complete_bash",
        "COMP_WORDS": "otx align --objective sink",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(heavy=HEAVY)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["sinkhorn"]
    assert done.stderr.splitlines()[-1] == "", done.stderr


def test_importing_otx_imports_nothing_heavy() -> None:
    code = f"import sys, otx; sys.exit(any(name in sys.modules for name in {HEAVY}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_listing_imports_no_options_of_ours(tmp_path: Path) -> None:
    code = """
import sys
from otx.cli import run
codes = [run(["list", kind]) for kind in ("objectives", "encoders", "corpora", "tasks")]
ours = [name for name in sys.modules if name.startswith("otx_")]
print(codes, len(ours) > 5, *(name for name in ours if name.endswith(".options")), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == "[0, 0, 0, 0] True\n"
