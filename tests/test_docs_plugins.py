"""The plugins shown in docs/plugins.md load, pass their checks and run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
FILES = {
    name: code
    for code, name in re.findall(r"```python\n(# (\S+\.py)\n.*?)```", PAGE.read_text(), re.DOTALL)
}


def otx(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otx", *arguments],
        cwd=folder,
        env={**os.environ, "OTX_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_shows_an_objective_a_corpus_a_task_a_tracker_and_roles() -> None:
    package = "otx_pull/__init__.py"
    single = ["json_pairs.py", "nearest.py", "csv_log.py", "roles.py"]
    assert list(FILES) == ["pull.py", package, *single]


@pytest.mark.parametrize(
    ("file", "checked"),
    [("pull.py", "pull"), ("json_pairs.py", "json-pairs:pairs.jsonl"), ("nearest.py", "nearest")],
)
def test_a_plugin_of_the_page_passes_its_checks(tmp_path: Path, file: str, checked: str) -> None:
    (tmp_path / file).write_text(FILES[file])
    (tmp_path / "pairs.jsonl").write_text(
        '{"en": "A dog.", "de": "Ein Hund."}\n{"en": "Only English."}\n{"en": "Two.", "de": "Zwei."}\n'
    )
    done = otx(tmp_path, "--plugin", file, "plugins", "check", checked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass" in done.stdout
    assert "FAIL" not in done.stdout


def test_the_package_of_the_page_passes_the_checks_of_its_objective(tmp_path: Path) -> None:
    before, options, rest = re.split(r"(?=@dataclass|class Pull\()", FILES["pull.py"])
    code = before + rest.partition("\n\n\n@otx")[0]
    package, info = tmp_path / "otx_pull", tmp_path / "otx_pull-0.1.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text(FILES["otx_pull/__init__.py"])
    (package / "options.py").write_text(re.sub(r".*(torch|otx\.views).*\n", "", before) + options)
    (package / "pull.py").write_text(
        code.replace("import otx\n", "from otx_pull.options import *\n")
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: otx-pull\nVersion: 0.1\n")
    assert '[project.entry-points.otx]\npull = "otx_pull"\n' in PAGE.read_text()
    (info / "entry_points.txt").write_text("[otx]\npull = otx_pull\n")
    done = otx(tmp_path, "plugins", "check", "pull", "--set", "pull.scale=0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "objective 'pull' of otx-pull 0.1" in done.stdout
    assert "FAIL" not in done.stdout


def test_the_objective_and_the_tracker_of_the_page_run_together(tmp_path: Path) -> None:
    for file in ("pull.py", "csv_log.py"):
        (tmp_path / file).write_text(FILES[file])
    small = ["--corpus", "sample:de", "--steps", "2", "--batch-tokens", "400", "--run", "pull"]
    small += ["--set", "diagnostics.candidates=20", "--set", "pull.scale=0.5"]
    plugins = ["--plugin", "pull.py", "--plugin", "csv_log.py"]
    done = otx(tmp_path, *plugins, "align", "--objective", "pull", *small)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "runs" / "pull" / "loss.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["1", "2"]
    refused = otx(tmp_path, *plugins, "align", "--objective", "pull", *small[:-1], "pull.scale=0")
    assert refused.returncode == 2
    assert "pull.scale must be above 0" in refused.stderr


def test_the_options_with_roles_of_the_page_can_be_registered() -> None:
    from otx.plugin_host.option_checks import check_options

    namespace: dict[str, object] = {"__name__": "roles"}
    exec(FILES["roles.py"], namespace)
    options = namespace["Options"]
    assert isinstance(options, type)
    check_options(options)
