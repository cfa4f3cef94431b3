"""The README's code works as shown: its objective as a package, and its command lines."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from otx.cli import run as otx
from tests.readme import blocks, write_package

SIZES = """
[align]
steps = 2
[encoder]
model = "{model}"
[data]
corpus = ["{corpus}"]
batch_tokens = 300
[diagnostics]
candidates = 40
[compare]
samples = 100
"""
"""An otx.toml that makes the README's commands small."""

NOT_RUN = ("pip ", "make ", "git ", "cd ")
"""Beginnings of lines that install or need a network."""


def command_lines() -> list[list[str]]:
    """Return the arguments of every line of ``sh`` blocks, and of those behind ``$`` in ``console`` blocks."""
    shell = [line for block in blocks("sh") for line in block.splitlines()]
    console = [line for block in blocks("console") for line in block.splitlines()]
    lines = [line[2:] for line in console if line.startswith("$ ")] + shell
    commands = [line for line in lines if line.strip() and not line.startswith(NOT_RUN)]
    return [shlex.split(line, comments=True) for line in commands]


COMMANDS = command_lines()


@pytest.mark.slow
def test_the_objective_of_the_readme_is_a_package_that_conforms_and_trains(
    tmp_path: Path, tiny_model: Path, bitext: str
) -> None:
    package, site = write_package(tmp_path / "package"), tmp_path / "site"
    (tmp_path / "otx.toml").write_text(SIZES.format(model=tiny_model, corpus=bitext))
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OTX_CACHE": str(tmp_path / "cache")}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    python("pip", "install", *offline, "--target", str(site), str(package))
    assert "FAIL" not in python("otx", "plugins", "check", "centroid")
    terms = ["--objective", "centroid", "--objective", "0.1*keep-close"]
    assert "loss of the first and last of 2 steps: " in python("otx", "align", *terms)


@pytest.mark.skipif(not blocks("sh"), reason="the README has no sh blocks yet")
def test_the_readme_begins_with_the_three_commands() -> None:
    assert {command[0] for command in COMMANDS} == {"otx"}
    assert [command[1] for command in COMMANDS[:3]] == ["align", "eval", "compare"]
    assert len(COMMANDS) >= 12


@pytest.mark.slow
@pytest.mark.skipif(not blocks("sh"), reason="the README has no sh blocks yet")
def test_every_command_line_of_the_readme_runs(
    tmp_path: Path,
    tiny_model: Path,
    larger_bitext: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In one folder and in their order, because later lines use the runs of earlier ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "otx.toml").write_text(SIZES.format(model=tiny_model, corpus=larger_bitext))
    for command in COMMANDS:
        line = shlex.join(command)
        code = otx(command[1:])
        printed = capfd.readouterr()
        assert code == 0, f"{line}\n{printed.err}"
        assert printed.out or "--output" in command, f"{line} prints no result"
