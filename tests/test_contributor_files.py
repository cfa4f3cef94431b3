"""The files for contributors can be loaded, agree with the package, and name files that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import otx

ROOT = Path(__file__).parents[1]
CHANGES = ("an objective", "a task", "a view", "a setting", "a solver", "a command")
ONE_SCREEN = 80
"""Lines."""


def load(name: str) -> Any:
    """Load a YAML file."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def read(name: str) -> str:
    """Read a text file."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_workflow_runs_every_job_on_pull_requests() -> None:
    workflow = load(".github/workflows/ci.yml")
    # YAML 1.1 reads the key "on" as a boolean.
    assert "pull_request" in workflow[True]
    assert set(workflow["jobs"]) == {"lint", "test", "wheel", "docs"}
    for job in workflow["jobs"].values():
        assert all("uses" in step or "run" in step for step in job["steps"])


def test_the_workflow_covers_versions_and_lets_the_unrun_one_fail() -> None:
    job = load(".github/workflows/ci.yml")["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    runs = {(python, "tested") for python in matrix["python"]}
    runs |= {(one["python"], one["dependencies"]) for one in matrix["include"]}
    assert {("3.11", "tested"), ("3.12", "tested"), ("3.11", "lowest"), ("3.12", "newest")} <= runs
    assert [one["python"] for one in matrix["include"] if one.get("unrun")] == ["3.13"]
    assert "matrix.unrun" in job["continue-on-error"]


def test_the_workflow_and_the_makefile_use_markers_that_exist() -> None:
    markers = {
        line.partition(":")[0]
        for line in tomllib.loads(read("pyproject.toml"))["tool"]["pytest"]["ini_options"][
            "markers"
        ]
    }
    used = re.findall(r'-m "([^"]*)"', read("Makefile") + read(".github/workflows/ci.yml"))
    assert used and {word for text in used for word in text.split()} - {"not", "and"} <= markers


def test_pre_commit_runs_the_tested_formatter() -> None:
    hooks = {
        hook["id"]: repo
        for repo in load(".pre-commit-config.yaml")["repos"]
        for hook in repo["hooks"]
    }
    assert {"ruff-check", "ruff-format", "end-of-file-fixer", "codespell"} <= set(hooks)
    (ruff,) = re.findall(r"^ruff==(.*)$", read("constraints.txt"), re.MULTILINE)
    assert hooks["ruff-format"]["rev"] == f"v{ruff}"


def test_the_citation_is_of_this_version() -> None:
    citation = load("CITATION.cff")
    assert citation["version"] == otx.__version__
    assert citation["license"] == "MIT" and citation["title"].startswith("otx: ")
    assert {"cff-version", "message", "authors"} <= set(citation)


def test_the_changelog_has_this_version_and_what_comes_next() -> None:
    versions = re.findall(r"^## \[(.*?)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "Unreleased" and otx.__version__ in versions


@pytest.mark.skipif(not (ROOT / "otx/views").is_dir(), reason="otx has no views yet")
@pytest.mark.parametrize("change", CHANGES)
def test_the_guide_says_where_a_change_goes(change: str) -> None:
    (row,) = re.findall(rf"^\| {change}\b.*$", read("CONTRIBUTING.md"), re.MULTILINE)
    paths = re.findall(r"`((?:otx|plugins|scripts)/[\w./{},]*)`", row)
    assert paths
    for path in paths:
        for one in expand(path):
            assert (ROOT / one).exists(), one


def expand(path: str) -> list[str]:
    """Return the paths that a shell makes of braces."""
    found = re.search(r"\{(.*?)\}", path)
    return [path.replace(found[0], part) for part in found[1].split(",")] if found else [path]


def test_the_guide_is_one_screen_and_its_targets_exist() -> None:
    guide = read("CONTRIBUTING.md")
    assert len(guide.splitlines()) <= ONE_SCREEN
    targets = set(re.findall(r"make ([\w./-]+)", guide))
    assert targets <= {
        *re.findall(r"^([\w-]+):", read("Makefile"), re.MULTILINE),
        ".venv/.installed",
    }
