from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import tomli

from otx.config.settings import Settings

Run = Callable[..., CompletedProcess[str]]


def test_show_says_where_each_value_comes_from(otx: Run, tmp_path: Path) -> None:
    (tmp_path / "otx.toml").write_text('[optimizer]\nlr = 0.5\n[earthmover]\nx = ["a"]\n')
    lines = otx("config", "show", "--origin").stdout.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["optimizer.lr"] == ["0.5", "otx.toml:2"]
    assert rows["align.steps"] == ["none", "default"]
    assert rows["earthmover.x"] == ['["a"]', "otx.toml:4"]


def test_json_is_what_toml_would_hold(otx: Run, tmp_path: Path) -> None:
    assert json.loads(otx("config", "show", "--json").stdout) == Settings().as_dict()
    shown = json.loads(otx("config", "show", "--origin", "--json").stdout)
    assert shown["encoder"]["model"] == {"value": "mini", "origin": "default"}


def test_init_begins_a_file_and_never_overwrites_one(otx: Run, tmp_path: Path) -> None:
    first = otx("config", "init")
    assert first.returncode == 0 and tomli.loads((tmp_path / "otx.toml").read_text())
    (tmp_path / "otx.toml").write_text("[optimizer]\nlr = 0.5\n")
    second = otx("config", "init")
    assert second.returncode == 2 and "exists already" in second.stderr
    assert (tmp_path / "otx.toml").read_text() == "[optimizer]\nlr = 0.5\n"
