"""What the README shows works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_objective_of_the_readme_is_a_plugin_that_conforms_and_trains(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "centroid-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "my_objective.py").write_text(block("python"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: centroid\nVersion: 1.0\n")
    entry = block("toml").split("[project.entry-points.otx]")[1].replace('"', "")
    (info / "entry_points.txt").write_text(f"[otx]{entry}")
    environment = {**os.environ, "PYTHONPATH": str(site), "OTX_CACHE": str(tmp_path / "cache")}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    checked = python(
        "-c",
        "from my_objective import Centroid; from otx.testing import check_objective; "
        "check_objective(lambda: Centroid(None, 8), dimension=8)",
    )
    assert checked.returncode == 0, checked.stderr
    small = ["--batch-tokens", "500"]
    terms = ["--objective", "centroid", "--objective", "0.1*keep-close"]
    trained = python("-m", "otx", "align", *terms, "--corpus", "sample:de", "--steps", "2", *small)
    assert trained.returncode == 0, trained.stderr
    assert "loss" in trained.stdout
