from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("objectives", {"sinkhorn", "unbalanced", "l2", "contrastive", "keep-close"}),
        ("encoders", {"huggingface", "mini"}),
        ("corpora", {"files", "sample", "hub"}),
        ("tasks", {"retrieval", "word-alignment", "xquad", "xnli"}),
        ("recipes", {"wordot", "wordot-text", "l2-cao", "contrastive-strong"}),
    ],
)
def test_what_ships_is_listed(otx: Run, kind: str, some: set[str]) -> None:
    rows = json.loads(otx("list", kind, "--json").stdout)
    assert some <= {row["name"] for row in rows}
    assert all(row["summary"] and row["distribution"] == "otx" for row in rows)
    text = otx("list", kind)
    assert text.stderr == ""
    assert [line.split()[0] for line in text.stdout.splitlines()] == [row["name"] for row in rows]


def test_json_tells_every_option_and_what_it_is(otx: Run) -> None:
    rows = {row["name"]: row for row in json.loads(otx("list", "objectives", "--json").stdout)}
    epsilon = rows["sinkhorn"]["options"]["epsilon"]
    assert isinstance(epsilon["default"], float) and "regularisation" in epsilon["help"]
    for kind in ("objectives", "encoders", "corpora", "tasks"):
        for row in json.loads(otx("list", kind, "--json").stdout):
            assert all(option["help"] for option in row.get("options", {}).values()), row["name"]


def test_json_tells_what_a_task_is(otx: Run) -> None:
    rows = {row["name"]: row for row in json.loads(otx("list", "tasks", "--json").stdout)}
    assert rows["xquad"]["task"] == "transfer" and rows["retrieval"]["task"] == "probe"
    assert rows["xquad"]["metrics"] and rows["xquad"]["licence"] and rows["xquad"]["version"]


def test_options_that_cannot_be_imported_are_warned_of_where_they_are_shown(
    otx: Run, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(
        "import otx\n"
        "@otx.hookimpl\n"
        "def otx_register(registry):\n"
        "    registry.objective('broken', 'broken:B', 'a broken one', 'no_such_module:Options')\n"
    )
    plugin = ("--plugin", "broken.py")
    text = otx(*plugin, "list", "objectives")
    assert "a broken one" in text.stdout and text.stderr == ""
    listed = otx(*plugin, "list", "objectives", "--json")
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["broken"]["options"] is None and rows["l2"]["options"]
    for part in ("warning: the options of objective 'broken' of broken.py", "no_such_module"):
        assert part in listed.stderr
    needed = otx(*plugin, "align", "--objective", "broken", "--set", "broken.size=1")
    assert needed.returncode == 4 and "error: the options of objective 'broken'" in needed.stderr
    assert "Traceback" not in needed.stderr
    assert otx(*plugin, "align", "--objective", "l2", "--set", "l2.layr=1").returncode == 2
