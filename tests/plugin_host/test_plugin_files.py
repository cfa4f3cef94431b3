"""Plugins that are one file, without packaging."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otx.cli import run
from otx.config.schema import PluginSettings
from otx.config.settings import load_settings
from otx.errors import PluginError, UsageError
from otx.plugin_host.host import PluginHost, host
from otx.plugin_host.plugin_files import plugin_files, set_plugin_files
from otx.plugin_host.variables import FILES

PULL = """
from otx import hookimpl

class Pull:
    pass

@hookimpl
def otx_register(registry):
    registry.objective("pull", __name__ + ":Pull", "{summary}")
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FILES, "")
    before = set(sys.modules)
    yield
    for name in ("mine", "broken", "single_file"):
        if name not in before:
            sys.modules.pop(name, None)


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


def loaded(*paths: str) -> PluginHost:
    set_plugin_files(paths)
    made = PluginHost(PluginSettings())
    made.load()
    return made


def test_a_file_registers_through_the_same_door() -> None:
    made = loaded(write("mine.py", PULL.format(summary="first")))
    entry = made.registry.find("objective", "pull")
    assert entry.load().__name__ == "Pull" and entry.distribution == "mine.py"
    record = made.records[-1]
    assert (record.name, record.status, record.hooks) == ("mine.py", "loaded", ("otx_register",))
    assert not Path("__pycache__").exists()


def test_its_version_is_its_content_and_an_edit_is_seen() -> None:
    first = loaded(write("mine.py", PULL.format(summary="first")))
    second = loaded(write("mine.py", PULL.format(summary="again")))
    assert second.registry.find("objective", "pull").summary == "again"
    assert first.records[-1].version != second.records[-1].version


def test_no_plugins_leaves_out_installed_ones_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTX_PLUGINS", "")
    assert loaded(write("mine.py", PULL.format(summary="x"))).records[-1].status == "loaded"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("broken.py", "def (", "SyntaxError"),
        ("broken.py", "import no_such_module_anywhere", "no_such_module_anywhere"),
        ("broken.py", "import sys\nsys.exit(3)", "sys.exit(3)"),
        ("broken.py", "x = 1", "implements no hook"),
        ("broken.py", "\0", "null bytes"),
        ("two-words.py", PULL.format(summary="x"), "rename the file"),
        ("json.py", PULL.format(summary="x"), "a module named 'json' exists"),
        ("otx.py", PULL.format(summary="x"), "a module named 'otx' exists"),
    ],
)
def test_a_broken_file_is_an_error_of_exit_code_4(name: str, text: str, reason: str) -> None:
    made = loaded(write(name, text))
    record = made.records[-1]
    assert record.status == "failed"
    with pytest.raises(PluginError, match=name.replace(".", r"\.")) as caught:
        host(load_settings())
    assert reason in f"{record.error} {record.trace} {caught.value}"
    assert caught.value.exit_code == 4


def test_two_files_of_one_name_are_refused() -> None:
    paths = [write(f"{folder}/mine.py", PULL.format(summary="x")) for folder in "ab"]
    assert [record.status for record in loaded(*paths).records[-2:]] == ["failed", "failed"]


def test_a_file_given_twice_is_loaded_once() -> None:
    path = write("mine.py", PULL.format(summary="x"))
    set_plugin_files([path, f"./{path}"])
    assert plugin_files() == [path]


@pytest.mark.parametrize("path", ["nowhere.py", "folder.py", "notes.txt"])
def test_what_is_no_python_file_is_refused_at_once(path: str) -> None:
    Path("folder.py").mkdir()
    write("notes.txt", "")
    with pytest.raises(UsageError, match=path):
        set_plugin_files([path])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--plugin", "mine.py", "list", "objectives", "--json"],
        ["list", "objectives", "--plugin", "mine.py", "--json"],
        ["list", "--plugin=mine.py", "objectives", "--json"],
    ],
)
def test_the_flag_may_stand_anywhere(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write("mine.py", PULL.format(summary="from a file"))
    assert run(arguments) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["pull"]["distribution"] == "mine.py"
    assert os.environ[FILES] == ""


def test_plugins_list_shows_the_path_and_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    write("mine.py", PULL.format(summary="x"))
    write("broken.py", "def (")
    assert run(["plugins", "list", "--plugin", "mine.py"]) == 0
    assert "mine.py" in capsys.readouterr().out
    assert run(["plugins", "list", "--json", "--plugin", "mine.py", "--plugin", "broken.py"]) == 4
    records = {record["name"]: record for record in json.loads(capsys.readouterr().out)}
    assert records["mine.py"]["status"] == "loaded" and records["broken.py"]["status"] == "failed"
    assert run(["list", "objectives", "--plugin", "broken.py"]) == 4
    assert "error: plugin broken.py failed: SyntaxError" in capsys.readouterr().err
    assert run(["list", "objectives", "--plugin", "nowhere.py"]) == 2
