"""The wheel holds everything that otx needs, and its command works from where pip installs it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "otx",
    "otx_transport",
    "otx_baselines",
    "otx_encoders",
    "otx_corpora",
    "otx_tasks",
)
CODE_ONLY = ("__pycache__", ".pyc")

pytestmark = pytest.mark.slow


def pip(*arguments: str) -> None:
    """Run pip without a network and without a build environment of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--quiet", "--no-index", "--no-deps"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.glob("otx-*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    sources = {
        path.relative_to(base).as_posix()
        for package in PACKAGES
        for base in (ROOT if package == "otx" else ROOT / "plugins",)
        for path in (base / package).rglob("*")
        if path.is_file() and not any(part in path.as_posix() for part in CODE_ONLY)
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == sources


def test_the_installed_command_aligns(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip("install", "--target", str(site), str(wheel))
    environment = os.environ | {"PYTHONPATH": str(site), "OTX_CACHE": str(tmp_path / "cache")}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    place = "import otx, otx_tasks; print(otx.__file__, otx_tasks.__file__)"
    for file in run(sys.executable, "-c", place).split():
        assert Path(file).is_relative_to(site)
    otx = str(site / "bin" / "otx")
    assert "align" in run(otx, "--help")
    assert "sinkhorn" in run(otx, "list", "objectives")
    small = ["--corpus", "sample:de", "--set", "diagnostics.candidates=40"]
    run(otx, "align", "--steps", "2", "--run", "first", *small)
    assert (tmp_path / "runs/first/model/model.safetensors").is_file()
